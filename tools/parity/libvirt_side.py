# SPDX-License-Identifier: Apache-2.0
"""Asks libvirt 9's embedded driver; run by the interpreter that has its binding.

``/usr/bin/python3 libvirt_side.py ROOT DOCUMENTS OUTCOMES``: DOCUMENTS is a JSON list of texts;
each gets one line of OUTCOMES, written at once, so that whoever started this knows how far it
came.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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
            print(json.dumps(ask(libvirt, connection, text)), file=output, flush=True)
    connection.close()
    return 0


def ask(libvirt: Any, connection: Any, text: str) -> dict[str, Any]:
    """Defines one document, looks at it, and undefines it."""

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
    native = None
    if isinstance(document, str):
        native = attempt(lambda: connection.domainXMLToNative("qemu-argv", text, 0))
    return {"document": document, "native": native}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
