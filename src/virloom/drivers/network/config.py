# SPDX-License-Identifier: Apache-2.0
"""``network.conf``: libvirt's file (since 10.4) for what holds for all networks."""

from __future__ import annotations

from pathlib import Path

from virloom.drivers.network.firewall.apply import BACKENDS
from virloom.drivers.runtime.settings import read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

_KEY = "firewall_backend"


def firewall_backend(path: Path) -> str | None:
    """What gives the kernel the rules of networks, by the file; None where it does not say.

    Raises:
        ConfSyntax: Malformed, another key, or none of the back ends.
        SystemFailure: It cannot be read.
    """
    chosen: str | None = None
    for name, value in read_settings(path).items():
        if name != _KEY:
            raise ConfSyntax(
                f"{path}: there is no key '{name}'; allowed is {_KEY}", domain=ErrorDomain.CONF
            )
        if not isinstance(value, str) or value not in BACKENDS:
            known = " or ".join(f'"{name}"' for name in BACKENDS)
            raise ConfSyntax(
                f"{path}: {_KEY} must be {known}, not {value!r}", domain=ErrorDomain.CONF
            )
        chosen = value
    return chosen
