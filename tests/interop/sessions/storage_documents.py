# SPDX-License-Identifier: Apache-2.0
"""Documents of pools, defined one by one: ``/usr/bin/python3 storage_documents.py URI``.

Each prints a line of JSON: its name, and what the daemon makes of it (the document that it gives
back) or the code and domain of its error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import libvirt
from pool_documents import documents, named, taken


def told(action: Callable[[], str]) -> object:
    """What a document gives: another one, or the error's code and domain."""
    try:
        return action()
    except libvirt.libvirtError as error:
        return [error.get_error_code(), error.get_error_domain()]


def alone(conn: libvirt.virConnect, text: str) -> str:
    """What a daemon keeps of a document."""
    pool = conn.storagePoolDefineXML(text)
    try:
        return str(pool.XMLDesc(1))
    finally:
        pool.undefine()


def beside(conn: libvirt.virConnect, first: str, second: str) -> str:
    """That a pool may be defined beside another."""
    pool = conn.storagePoolDefineXML(first)
    try:
        conn.storagePoolDefineXML(second).undefine()
        return "beside it"
    finally:
        pool.undefine()


def main() -> None:
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    for name, text in documents().items():
        print(json.dumps([name, told(lambda text=text: alone(conn, text))]))
    for name, first, second in taken():
        pair = (named(first), named(second, 2))
        print(json.dumps([f"taken: {name}", told(lambda pair=pair: beside(conn, *pair))]))


main()
