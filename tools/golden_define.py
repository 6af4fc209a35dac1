# SPDX-License-Identifier: Apache-2.0
"""Records what libvirt 9 makes of each document in tests/golden/define.

Run with the interpreter that has libvirt's binding: ``/usr/bin/python3 tools/golden_define.py
[NAME …]``. Each ``NAME.in.xml`` is defined in a private embedded driver; its inactive, secure
document becomes ``NAME.out.xml``, or the code of the error ``NAME.err``. Where that document
comes out otherwise when it is defined again, the result is ``NAME.again.xml`` or
``NAME.again.err``. The directory of the driver is written as ``@ROOT@``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parent.parent / "tests" / "golden" / "define"
SUFFIX = ".in.xml"


def main(names: list[str]) -> int:
    """Records the named cases, or all; returns the exit status."""
    try:
        import libvirt
    except ImportError:
        print("no libvirt binding here; run this with /usr/bin/python3", file=sys.stderr)
        return 2
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda *_: None, None)
    found = sorted(path.name.removesuffix(SUFFIX) for path in CASES.glob(f"*{SUFFIX}"))
    with tempfile.TemporaryDirectory(prefix="golden-define-") as root:
        connection = libvirt.open(f"qemu:///embed?root={root}")
        for name in names or found:
            record(libvirt, connection, root, name)
        connection.close()
    return 0


def record(libvirt: Any, connection: Any, root: str, name: str) -> None:
    """Writes what libvirt makes of one document, and removes what it made of it before."""
    for kind in ("out.xml", "err", "again.xml", "again.err"):
        (CASES / f"{name}.{kind}").unlink(missing_ok=True)
    document = (CASES / f"{name}{SUFFIX}").read_text(encoding="utf-8")
    kind, text = define(libvirt, connection, document)
    if kind == "err":
        write(f"{name}.err", text)
        return
    write(f"{name}.out.xml", text.replace(root, "@ROOT@"))
    # libvirt sorts some controllers only when it reads its own document again.
    kind, again = define(libvirt, connection, text)
    if again != text:
        write(f"{name}.again.{'err' if kind == 'err' else 'xml'}", again.replace(root, "@ROOT@"))


def define(libvirt: Any, connection: Any, document: str) -> tuple[str, str]:
    """``xml`` and the inactive document, or ``err`` and the code."""
    try:
        domain = connection.defineXML(document)
    except libvirt.libvirtError as error:
        return "err", f"{error.get_error_code()}\n"
    text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    return "xml", text


def write(name: str, text: str) -> None:
    """Writes one expected file."""
    (CASES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
