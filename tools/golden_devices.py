# SPDX-License-Identifier: Apache-2.0
"""Records what libvirt 9 makes of each device in ``tests/golden/devices``.

Run with the interpreter that has libvirt's binding: ``/usr/bin/python3 tools/golden_devices.py
[FILE …]``. ``FILE.txt`` has many cases: a line ``## NAME [MACHINE]``, then the devices; lines with
``!`` go before ``<devices>``. ``FILE.expected`` tells for each of them the code of the error, or
how the inactive, secure document and the native command line differ from those of a guest without
devices of its own. The directory of the driver is written as ``@ROOT@``.
"""

from __future__ import annotations

import difflib
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parent.parent / "tests" / "golden" / "devices"
DEFAULT_MACHINE = "q35"


def cases(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, machine and body of each case of a file."""
    for block in text.split("## ")[1:]:
        head, _, body = block.partition("\n")
        name, _, machine = head.partition(" ")
        yield name, machine or DEFAULT_MACHINE, body


def document(name: str, machine: str, body: str) -> str:
    """The whole document of a case."""
    lines = body.splitlines()
    before = "\n".join(line[1:] for line in lines if line.startswith("!"))
    devices = "\n".join(line for line in lines if not line.startswith("!"))
    vcpus = 4 if "queues" in body else 1
    return f"""<domain type='qemu'>
  <name>{name}</name>
  <uuid>c0de0000-0000-4000-8000-000000000001</uuid>
  <memory unit='MiB'>256</memory>
  <vcpu>{vcpus}</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
{before}
  <devices>
{devices}
  </devices>
</domain>
"""


def changes(base: str, text: str) -> list[str]:
    """The lines that *text* has more (``+``) and less (``-``) than *base*, in their order."""
    compared = difflib.unified_diff(base.splitlines(), text.splitlines(), lineterm="", n=0)
    return [line for line in list(compared)[2:] if not line.startswith("@@")]


def record(path: Path) -> str:
    """The expectations for one file of cases."""
    found = list(cases(path.read_text(encoding="utf-8")))
    texts = [document(*case) for case in found]
    texts += [plain(*case) for case in found]
    answers = asked(texts)
    parts = []
    for number, (name, _, _) in enumerate(found):
        lines = told(answers[len(found) + number], answers[number])
        parts.append("\n".join([f"## {name}", *lines]) + "\n")
    return "".join(parts)


def plain(name: str, machine: str, body: str) -> str:
    """The same guest without the devices of the case."""
    # The number of processors follows the body.
    vcpus = "<vcpu>4<" if "queues" in body else "<vcpu>1<"
    return document(name, machine, "").replace("<vcpu>1<", vcpus)


def told(base: tuple[str, str, str], found: tuple[str, str, str]) -> list[str]:
    """The lines of one case."""
    code, text, native = found
    if code:
        return [f"refused {code}"]
    lines = changes(base[1], text)
    words = [f"> {line}" for line in changes("\n".join(split(base[2])), "\n".join(split(native)))]
    return [*lines, *words] if native else [*lines, "no native"]


def split(line: str) -> list[str]:
    """The variables and options of a command line, sorted; an option has its value behind it."""
    options: list[str] = []
    begun = False
    for word in shlex.split(line):
        value = _sorted(word)
        if not begun or word.startswith("-"):
            begun = begun or "=" not in word.split("/", 1)[0]
            options.append(value)
        else:
            options[-1] += f" {value}"
    return sorted(option for option in options if not option.startswith("PATH="))


def _sorted(word: str) -> str:
    """JSON with its keys in order; anything else as it is."""
    return json.dumps(json.loads(word), sort_keys=True) if word.startswith("{") else word


def asked(texts: list[str]) -> list[tuple[str, str, str]]:
    """Code of the error, document, command line of each; libvirt 9 may crash on one, then none."""
    answers: list[tuple[str, str, str]] = []
    while len(answers) < len(texts):
        with tempfile.TemporaryDirectory(prefix="golden-devices-") as root:
            done = subprocess.run(
                [sys.executable, __file__, "--all", root],
                input=json.dumps(texts[len(answers) :]),
                capture_output=True,
                text=True,
                check=False,
            )
        for line in done.stdout.splitlines():
            code, text, native = json.loads(line)
            answers.append((code, text.replace(root, "@ROOT@"), native.replace(root, "@ROOT@")))
        if done.returncode:
            answers.append(("crashed", "", ""))
    return answers


def answer(libvirt: Any, root: str) -> None:
    """Tries the documents on standard input and writes a line for each."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open(f"qemu:///embed?root={root}")
    for text in json.load(sys.stdin):
        print(json.dumps(one(libvirt, connection, text)), flush=True)


def one(libvirt: Any, connection: Any, given: str) -> tuple[str, str, str]:
    """What libvirt makes of one document."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    try:
        domain = connection.defineXML(given)
    except libvirt.libvirtError as error:
        return str(error.get_error_code()), "", ""
    text = domain.XMLDesc(flags)
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    try:
        return "", text, connection.domainXMLToNative("qemu-argv", text, 0)
    except libvirt.libvirtError:
        return "", text, ""


def main(names: list[str]) -> int:
    """Records the named files, or all; returns the exit status."""
    try:
        import libvirt
    except ImportError:
        print("no libvirt binding here; run this with /usr/bin/python3", file=sys.stderr)
        return 2
    if names[:1] == ["--all"]:
        answer(libvirt, names[1])
        return 0
    for path in sorted(CASES.glob("*.txt")):
        if not names or path.stem in names:
            path.with_suffix(".expected").write_text(record(path), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
