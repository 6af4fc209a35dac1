# SPDX-License-Identifier: Apache-2.0
"""Which ports a SPICE display needs that leaves them to us, as libvirt 9 chooses."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.command.native import settle_ports
from virloom.drivers.qemu.devices.props.attached import tpm_device
from virloom.model.domain import Alias, Domain, Graphics, Tpm
from virloom.xml import parse_document


@pytest.mark.parametrize(
    ("attributes", "channels", "ports"),
    [
        ("autoport='yes'", "", (5901, None)),
        ("autoport='yes' defaultMode='secure'", "", (None, 5902)),
        ("autoport='yes' defaultMode='secure'", "<channel name='main' mode='any'/>", (5901, 5902)),
        ("autoport='yes'", "<channel name='main' mode='secure'/>", (5901, 5902)),
        ("autoport='yes' defaultMode='insecure'", "", (5901, None)),
        ("port='5950' tlsPort='-1'", "", (5950, 5902)),
        ("port='-1'", "", (5901, None)),
    ],
)
def test_ports(attributes: str, channels: str, ports: tuple[int | None, int | None]) -> None:
    graphics = f"<graphics type='spice' {attributes}>{channels}</graphics>"
    text = f"<domain type='qemu'><name>g</name><devices>{graphics}</devices></domain>"
    dom = parse_document(Domain, text)
    settle_ports(dom)
    display: Graphics = dom.devices.graphics[0]
    assert (display.port, display.tls_port) == ports


@pytest.mark.parametrize(
    ("arch", "model", "driver"),
    [
        ("aarch64", "tpm-tis", "tpm-tis-device"),
        ("armv7l", "tpm-tis", "tpm-tis-device"),
        ("x86_64", "tpm-tis", "tpm-tis"),
        ("aarch64", "tpm-spapr", "tpm-spapr"),
    ],
)
def test_a_tpm_sits_where_its_board_has_it(arch: str, model: str, driver: str) -> None:
    assert tpm_device(Tpm(model=model, alias=Alias(name="tpm0")), arch)["driver"] == driver
