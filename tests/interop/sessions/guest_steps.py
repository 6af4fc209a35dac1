# SPDX-License-Identifier: Apache-2.0
"""Steps of sessions about guests that get devices of the host.

Each step prints a line of JSON: its name, what came of it or the code and domain of the error, what
each live document says by then, and what the host does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import libvirt


class GuestSteps:
    """Steps, and the guests that they are about.

    Args:
        document: Of a guest, with places for ``name`` and ``devices``.
    """

    def __init__(self, uri: str, document: str) -> None:
        self.conn = libvirt.open(uri)
        self.document = document

    def settle(self) -> None:
        """Waits until the host has done what a step leads to."""

    def shown(self, guest: Any) -> list[Any]:
        """What a guest has."""
        raise NotImplementedError

    def around(self) -> list[Any]:
        """What is told of the host."""
        raise NotImplementedError

    def step(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        result = None
        try:
            result = call(*args)
            told: Any = "done"
        except libvirt.libvirtError as error:
            told = [error.get_error_code(), error.get_error_domain()]
        self.settle()
        guests = {guest.name(): self.shown(guest) for guest in self.conn.listAllDomains(1)}
        print(json.dumps([name, told, guests, *self.around()]), flush=True)
        return result

    def create(self, what: str, name: str, *devices: str) -> Any:
        document = self.document.format(name=name, devices="".join(devices))
        return self.step(what, self.conn.createXML, document, libvirt.VIR_DOMAIN_START_PAUSED)

    def end(self) -> None:
        for guest in sorted(self.conn.listAllDomains(1), key=lambda guest: guest.name()):
            self.step(f"{guest.name()} ends", guest.destroy)
