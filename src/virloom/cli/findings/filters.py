# SPDX-License-Identifier: Apache-2.0
"""Which of the kernel's packet filters has the rules for packets of guests' network filters."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from virloom.cli.findings.finding import Finding
from virloom.cli.findings.guests import locate
from virloom.cli.findings.host import Host
from virloom.errors import VirloomError
from virloom.host.process import Completed, run

_AREA = "firewall"
_SECONDS = 10
_CALLS = "/proc/sys/net/bridge/bridge-nf-call-iptables"
_LOAD = "modprobe nf_conntrack_bridge"
_CALL = "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1"


async def tracking() -> tuple[bool | None, str]:
    """Whether the kernel tracks connections on bridges; None, and why, where it does not tell."""
    from virloom.drivers.nwfilter.rules.loading import tracks_on_bridges

    if os.geteuid() != 0:
        return None, "only root may ask the kernel"
    try:
        return await tracks_on_bridges(_run), ""
    except FileNotFoundError:
        return None, "'nft' is not installed"
    except VirloomError as error:
        return None, f"'nft' cannot be asked: {error.message}"


async def _run(argv: Sequence[str], text: bytes) -> Completed:
    path = locate(argv[0])
    if path is None:
        raise FileNotFoundError(argv[0])
    return await run([path, *argv[1:]], input=text, timeout=_SECONDS)


def filters(
    host: Host,
    tracks: bool | None,
    why: str,
    find: Callable[[str], str | None] = locate,
) -> Finding:
    """What has the rules, and why that.

    Args:
        tracks: Whether the kernel tracks connections on bridges, as :func:`tracking` has it.
        why: Why that is not known.
        find: The path of a program; None where there is none.
    """
    name = "filters"
    if tracks is None:
        return Finding(_AREA, name, False, f"not seen: {why}", "ask as root, with nftables")
    if tracks:
        detail = "nft has rules for packets: the kernel tracks connections on bridges"
        return Finding(_AREA, name, True, detail)
    absent = "the kernel does not track connections on bridges"
    if find("iptables") is None:
        detail = f"nothing has rules for packets: {absent}, and there is no iptables"
        return Finding(_AREA, name, False, detail, f"{_LOAD}, or apt install iptables")
    if not is_called(host):
        detail = f"rules for packets see nothing: {absent}, nor hand frames to iptables"
        return Finding(_AREA, name, False, detail, f"{_LOAD}, or {_CALL}")
    return Finding(_AREA, name, True, f"iptables (physdev) has rules for packets: {absent}")


def is_called(host: Host) -> bool:
    """Whether bridges hand their frames to iptables."""
    try:
        return host.path(_CALLS).read_text().strip() != "0"
    except OSError:
        return False
