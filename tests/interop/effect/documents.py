# SPDX-License-Identifier: Apache-2.0
"""Network documents whose rules differ: of each mode, with addresses, devices and translations."""

from __future__ import annotations

#: What a network has of addresses: those of the host, with their prefix lengths.
ADDRESSES = {
    "four": ("10.1.0.1/24",),
    "six": ("fd01::1/64",),
    "both": ("10.1.0.1/24", "fd01::1/64"),
    "two": ("10.1.0.1/24", "10.2.0.1/30"),
    "many": ("10.1.0.1/16", "10.2.0.1/30", "fd01::1/64", "fd02::1/64"),
}
#: Ways of translation: the contents of ``<nat>``, and whether IPv6 is translated.
TRANSLATIONS = {
    "plain": "",
    "address": "<nat><address start='203.0.113.4' end='203.0.113.4'/></nat>",
    "addresses": "<nat><address start='203.0.113.4' end='203.0.113.7'/></nat>",
    "ports": "<nat><port start='2000' end='2100'/></nat>",
    "low": "<nat><port start='500' end='520'/></nat>",
    "all": "<nat><address start='203.0.113.4' end='203.0.113.7'/><port start='2000' end='2100'/>"
    "</nat>",
    "six": "<nat ipv6='yes'/>",
    "six-ports": "<nat ipv6='yes'><port start='2000' end='2100'/></nat>",
    "six-all": "<nat ipv6='yes'><address start='203.0.113.4' end='203.0.113.7'/>"
    "<port start='2000' end='2100'/></nat>",
}
BRIDGE = "virbr1"


def document(mode: str, addresses: tuple[str, ...], device: str = "", nat: str = "") -> str:
    """The document of a network called ``n``."""
    way = f" dev='{device}'" if device else ""
    forward = "" if mode == "none" else f"<forward mode='{mode}'{way}>{nat}</forward>"
    lines = [
        f"<ip family='ipv{6 if ':' in text else 4}' address='{text.split('/')[0]}' "
        f"prefix='{text.split('/')[1]}'/>"
        for text in addresses
    ]
    bridge = f"<bridge name='{BRIDGE}' stp='off' delay='0'/>"
    return f"<network><name>n</name>{forward}{bridge}{''.join(lines)}</network>"


def documents() -> dict[str, tuple[str, tuple[str, ...]]]:
    """All of them by name, with their addresses."""
    found = {}
    for mode in ("nat", "route", "open", "none"):
        for kind, addresses in ADDRESSES.items():
            devices = ("", "eth0", "eth1") if mode in ("nat", "route") else ("",)
            for device in devices:
                name = "-".join(filter(None, (mode, kind, device)))
                found[name] = (document(mode, addresses, device), addresses)
    for way, nat in TRANSLATIONS.items():
        if way == "plain":
            continue
        for kind in ("four", "both", "many"):
            found[f"nat-{kind}-{way}"] = (
                document("nat", ADDRESSES[kind], "", nat),
                ADDRESSES[kind],
            )
        found[f"nat-both-eth0-{way}"] = (
            document("nat", ADDRESSES["both"], "eth0", nat),
            ADDRESSES["both"],
        )
    return found
