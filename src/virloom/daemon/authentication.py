# SPDX-License-Identifier: Apache-2.0
"""How clients of each socket authenticate, from the configuration and from what is there."""

from __future__ import annotations

import os
from typing import NamedTuple

from virloom.daemon.config import DaemonConfig
from virloom.daemon.places import Places
from virloom.daemon.polkit import Polkit, find_polkit, has_system_bus
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported


class Authentication(NamedTuple):
    """What is asked of clients; None: nothing, so that a socket's mode says who may.

    Attributes:
        write: On the socket for all calls.
        read: On the one for calls that change nothing.
    """

    write: Polkit | None
    read: Polkit | None

    def of(self, *, readonly: bool) -> Polkit | None:
        """For one of the sockets."""
        return self.read if readonly else self.write


def choose(config: DaemonConfig, places: Places) -> Authentication:
    """As configured; without a word polkit where it is to be had, as libvirt has it.

    Raises:
        ConfigUnsupported: polkit is asked for where it cannot be.
    """
    present = None
    if not places.session and os.geteuid() == 0:
        present = find_polkit()
    default = present if present is not None and has_system_bus() else None
    return Authentication(
        _one("auth_unix_rw", config.auth_unix_rw, present, default),
        _one("auth_unix_ro", config.auth_unix_ro, present, default),
    )


def _one(
    key: str, configured: str | None, present: Polkit | None, default: Polkit | None
) -> Polkit | None:
    if configured is None:
        return default
    if configured == "none":
        return None
    if present is None:
        raise ConfigUnsupported(
            f'{key} = "polkit": polkit can be asked by a daemon of root only, by pkcheck',
            domain=ErrorDomain.CONF,
            remedy=f'install polkitd, or set {key} = "none"',
        )
    return present
