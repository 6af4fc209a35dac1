# SPDX-License-Identifier: Apache-2.0
"""Settings of qemu.conf that nothing here keeps."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.config import PROMISES, QemuConfig
from virloom.drivers.qemu.confine.promises import check_promises
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain
from virloom.xml import parse_document

VNC, SPICE = "<graphics type='vnc'/>", "<graphics type='spice'/>"
PORT = "<serial type='tcp'><source mode='bind' host='::' service='1'{}/></serial>"
DISK = (
    "<disk type='network'><source protocol='nbd' name='a'{}><host name='b'/></source>"
    "<target dev='vda'/></disk>"
)
CARD = "<interface type='network'><source network='a'/>{}</interface>"
FILTER = "<filterref filter='no-mac-spoofing'/>"


def guest(devices: str) -> Domain:
    text = f"<domain type='qemu'><name>a</name><devices>{devices}</devices></domain>"
    return parse_document(Domain, text)


@pytest.mark.parametrize(
    ("key", "broken", "kept"),
    [
        ("vnc_tls", VNC, SPICE),
        ("vnc_sasl", VNC, SPICE),
        ("spice_sasl", SPICE, VNC),
        ("chardev_tls", PORT.format(""), PORT.format(" tls='no'")),
        ("chardev_tls", PORT.format(""), PORT.format(" tls='yes'")),
        ("nbd_tls", DISK.format(""), DISK.format(" tls='yes'")),
        ("mac_filter", CARD.format(""), CARD.format(FILTER)),
        ("mac_filter", CARD.format(""), "<interface type='user'/>"),
    ],
)
def test_a_guest_is_refused_that_a_setting_is_about(key: str, broken: str, kept: str) -> None:
    config = QemuConfig({key: 1})
    with pytest.raises(ConfigUnsupported, match=f"keeps {key} of qemu.conf"):
        check_promises(config, guest(broken))
    check_promises(config, guest(kept))
    check_promises(QemuConfig({key: 0}), guest(broken))


def test_no_guest_has_cores_to_itself() -> None:
    check_promises(QemuConfig({"sched_core": "none"}), guest(""))
    with pytest.raises(ConfigUnsupported, match="sched_core"):
        check_promises(QemuConfig({"sched_core": "full"}), guest(""))


def test_each_promise_is_a_key_that_promises_nothing_by_itself() -> None:
    config = QemuConfig()
    assert {getattr(config, key) for key in PROMISES} == {False, "none"}
