# SPDX-License-Identifier: Apache-2.0
"""What several clients hear of networks: ``/usr/bin/python3 network_events.py URI READONLY_URI``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, and
what was heard since the last one, by whom.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import libvirt

LIFECYCLE = libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE
_NETWORK = (
    "<network><name>n{0}</name><uuid>11111111-2222-3333-4444-55555555550{0}</uuid>"
    "<bridge name='evb{0}'/><mac address='52:54:00:aa:00:0{0}'/></network>"
)


class Session:
    """The clients, and what they heard."""

    def __init__(self, uri: str, readonly_uri: str) -> None:
        self.clients = {name: libvirt.open(uri) for name in "ABCD"}
        self.clients["R"] = libvirt.openReadOnly(readonly_uri)
        self.heard: list[Any] = []
        self.numbers: dict[str, int] = {}

    def step(self, name: str, action: Callable[[], Any]) -> None:
        """Takes a step, and listens."""
        self.heard = []
        try:
            result = action()
        except libvirt.libvirtError as error:
            result = [error.get_error_code(), error.get_error_domain()]
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        told = result if isinstance(result, (int, list, type(None))) else type(result).__name__
        print(json.dumps([name, told, sorted(self.heard)]), flush=True)

    def listen(self, who: str, network: str | None = None, *, once: bool = False) -> None:
        """Has a client listen to one network or to all."""
        conn, tag = self.clients[who], f"{who} {network}"
        one = conn.networkLookupByName(network) if network else None

        def told(_conn: Any, of: Any, event: int, detail: int, _opaque: Any) -> None:
            self.heard.append([tag, of.name(), event, detail])
            if once:
                conn.networkEventDeregisterAny(self.numbers[tag])

        def register() -> int:
            self.numbers[tag] = conn.networkEventRegisterAny(one, LIFECYCLE, told, None)
            return self.numbers[tag]

        self.step(f"{tag} listens", register)

    def network(self, number: int) -> Any:
        """As the first client sees it."""
        return self.clients["A"].networkLookupByName(f"n{number}")

    def define(self, number: int) -> None:
        """Defines a network, again perhaps."""
        document = _NETWORK.format(number)
        self.step(f"define {number}", lambda: self.clients["A"].networkDefineXML(document))

    def do(self, number: int, *actions: str) -> None:
        """Has something done to a network."""
        for action in actions:
            self.step(f"{action} {number}", lambda: getattr(self.network(number), action)())  # noqa: B023


def main(uri: str, readonly_uri: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(20, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(uri, readonly_uri)
    clients = session.clients
    session.define(1)
    session.define(2)
    for who, network in (("A", None), ("B", "n1"), ("C", "n2"), ("C", "n1"), ("R", None)):
        session.listen(who, network)
    session.listen("D", once=True)
    for number in (-1, 9):
        session.step(
            f"event {number}",
            lambda: clients["A"].networkEventRegisterAny(None, number, print, None),  # noqa: B023
        )
    session.do(1, "create", "create")
    session.do(2, "create")
    session.step("autostart", lambda: session.network(1).setAutostart(1))
    session.define(1)
    session.step("no more", lambda: clients["C"].networkEventDeregisterAny(1))
    session.step("no such", lambda: clients["C"].networkEventDeregisterAny(77))
    session.do(1, "destroy")
    clients.pop("C").close()
    session.do(2, "destroy")
    document = _NETWORK.format(3)
    session.step("create 3", lambda: clients["A"].networkCreateXML(document))
    session.listen("B", "n3")
    session.do(3, "destroy")
    session.define(3)
    session.step("create 3", lambda: clients["A"].networkCreateXML(document))
    session.do(3, "undefine", "destroy")
    session.listen("D", once=True)
    session.do(1, "create", "destroy", "undefine")
    session.do(2, "undefine")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
