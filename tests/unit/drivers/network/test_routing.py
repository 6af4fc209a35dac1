# SPDX-License-Identifier: Apache-2.0
"""Which links have routes from advertisements, as the kernel tells it."""

from __future__ import annotations

from virloom.drivers.network.host import advertised_links

ZERO = "0" * 32


def line(flags: str, link: str) -> str:
    return f"{ZERO} 00 {ZERO} 00 {ZERO} 00000400 00000001 00000000 {flags}     {link}\n"


def test_links_with_advertised_routes() -> None:
    lines = [line("00450003", "eth0"), line("00000001", "eth1"), line("000c0001", "a.5"), "\n"]
    assert advertised_links(lines) == {"eth0", "a.5"}
