# SPDX-License-Identifier: Apache-2.0
"""Asks libvirt 9's embedded driver; run by the interpreter that has its binding.

``/usr/bin/python3 libvirt_side.py ROOT DOCUMENTS OUTCOMES``: DOCUMENTS is a JSON list of texts;
each gets two lines of OUTCOMES, what became of it and its command line. Each is written at once,
so that whoever started this knows how far it came.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def main(root: str, documents: str, outcomes: str) -> int:
    """Asks for every document."""
    import libvirt

    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open(f"qemu:///embed?root={root}")
    with open(outcomes, "a", encoding="utf-8") as output:
        for text in json.loads(Path(documents).read_text(encoding="utf-8")):
            for answer in ask(libvirt, connection, text):
                print(json.dumps(answer), file=output, flush=True)
    connection.close()
    return 0


def ask(libvirt: Any, connection: Any, text: str) -> Iterator[Any]:
    """Defines one document, looks at it, and undefines it; then asks for its command line."""

    def attempt(action: Callable[[], str]) -> Any:
        try:
            return action()
        except libvirt.libvirtError as error:
            return [error.get_error_code(), error.get_error_domain(), error.get_error_message()]

    def define() -> str:
        domain = connection.defineXML(text)
        try:
            told: str = domain.XMLDesc(
                libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
            )
        finally:
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        return told

    document = attempt(define)
    yield document
    if isinstance(document, str):
        yield attempt(lambda: connection.domainXMLToNative("qemu-argv", text, 0))
    else:
        yield None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
