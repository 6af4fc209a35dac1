# SPDX-License-Identifier: Apache-2.0
"""``<nvram>``: the variables of a pSeries guest's firmware."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device


class NvramDevice(Device):
    """``<nvram><address type='spapr-vio' reg='0x3000'/></nvram>``."""

    tag = "nvram"
    schema_path = "domain/devices/nvram"
