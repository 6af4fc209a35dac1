# SPDX-License-Identifier: Apache-2.0
"""Who configures the interfaces of this host."""

from __future__ import annotations

from pathlib import Path

from virloom.drivers.interface.configurators.configurator import Configurator
from virloom.drivers.interface.configurators.ifupdown import Ifupdown
from virloom.drivers.interface.configurators.netplan import Netplan
from virloom.drivers.interface.configurators.networkmanager import NetworkManager
from virloom.drivers.interface.configurators.runtime import Runtime
from virloom.host.programs import is_on_path


def find_configurator(prefix: Path, run: Path) -> Configurator:
    """The one that has the last word.

    netplan feeds NetworkManager, which in turn leaves alone what ifupdown has, so in this order.

    Args:
        prefix: What system paths are below.
        run: The daemon's directory for what does not outlive the boot.
    """
    netplan = prefix / "etc/netplan"
    if any(netplan.glob("*.yaml")) and is_on_path("netplan"):
        return Netplan(netplan)
    # It makes this directory when it starts; its pid file is not there under systemd.
    if (prefix / "run/NetworkManager").is_dir() and is_on_path("nmcli"):
        return NetworkManager(prefix / "etc/NetworkManager/system-connections")
    if (prefix / "etc/network/interfaces").is_file() and is_on_path("ifup"):
        return Ifupdown(prefix)
    return Runtime(run / "defined")
