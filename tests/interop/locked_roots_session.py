# SPDX-License-Identifier: Apache-2.0
"""Guests that want one lease: ``python locked_roots_session.py DIRECTORY URI``.

They are of the embedded roots ``here`` and ``there`` in DIRECTORY, and of the daemon at URI.
"""

from __future__ import annotations

import sys
from pathlib import Path

import virloom
from virloom.errors import ResourceBusy
from virloom.sync.connection import Connection
from virloom.sync.domain.domain import Domain


def start(conn: Connection, name: str, document: str) -> Domain | None:
    """The guest, if it gets its lease."""
    try:
        guest = conn.create_xml(document)
    except ResourceBusy as exc:
        print(f"{name}: {exc.detail}")
        return None
    print(f"{name}: done")
    return guest


def end(guest: Domain | None, name: str) -> None:
    assert guest is not None
    guest.destroy()
    print(f"{name} ends")


def main() -> None:
    place, uri = Path(sys.argv[1]), sys.argv[2]
    document = (place / "guest.xml").read_text()
    with (
        virloom.open_sync(f"qemu:///embed?root={place}/here") as here,
        virloom.open_sync(f"qemu:///embed?root={place}/there") as there,
        virloom.open_sync(uri) as host,
    ):
        hosts = (place / "host.xml").read_text()
        one = start(here, "here", document.replace("NAME", "one"))
        start(there, "there", document.replace("NAME", "two"))
        start(host, "host", hosts)
        end(one, "here")
        three = start(host, "host", hosts)
        start(there, "there", document.replace("NAME", "two"))
        end(three, "host")
        end(start(there, "there", document.replace("NAME", "two")), "there")


if __name__ == "__main__":
    main()
