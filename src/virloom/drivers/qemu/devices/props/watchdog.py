# SPDX-License-Identifier: Apache-2.0
"""Watchdog cards."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Watchdog

_MODELS = ("i6300esb", "ib700", "diag288")


def watchdog_device(watchdog: Watchdog, buses: Buses) -> Props:
    """Properties of the card.

    Raises:
        ConfigUnsupported: An unknown model.
    """
    if watchdog.model not in _MODELS:
        raise ConfigUnsupported(
            f"unknown watchdog model '{watchdog.model}'; known: " + ", ".join(_MODELS)
        )
    alias = alias_of(watchdog, "watchdog")
    return {"driver": watchdog.model, "id": alias, **buses.place(watchdog, alias)}
