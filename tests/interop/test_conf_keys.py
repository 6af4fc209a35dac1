# SPDX-License-Identifier: Apache-2.0
"""libvirt's own files of settings, as Debian installs them: each key is ours, or listed as idle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.reference import needs_libvirtd
from virloom.daemon import config as daemon
from virloom.daemon.config import NetworkConfig
from virloom.daemons.virtlockd import LockConfig
from virloom.daemons.virtlogd import LogConfig
from virloom.drivers.qemu import config as qemu
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.locks.lockd_config import LockdConfig

pytestmark = needs_libvirtd

PLACE = Path("/etc/libvirt")
KEY = re.compile(r"^#?([a-z_0-9]+) ?= ?", re.MULTILINE)
#: Refused unless it is empty.
REFUSED = {"access_drivers"}


@pytest.mark.parametrize(
    ("name", "config", "idle"),
    [
        ("qemu.conf", QemuConfig, qemu.WITHOUT_MEANING),
        ("libvirtd.conf", NetworkConfig, [*daemon.WITHOUT_MEANING, *REFUSED]),
        ("virtlockd.conf", LockConfig, daemon.WITHOUT_MEANING),
        ("virtlogd.conf", LogConfig, daemon.WITHOUT_MEANING),
        ("qemu-lockd.conf", LockdConfig, ()),
    ],
)
def test_each_key_of_libvirts_file_is_known(name: str, config: type, idle: list[str]) -> None:
    theirs = set(KEY.findall((PLACE / name).read_text()))
    ours = set(vars(config()))
    assert theirs
    assert theirs <= ours | set(idle)
    assert not ours & set(idle)
