# SPDX-License-Identifier: Apache-2.0
"""``<tpm>``: a trusted platform module, the host's or an emulated one."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.element import Element
from virloom.xml.fields import ONCE, attribute, child, flag, group
from virloom.xml.kinds import STRING, UINT, UUID, YES_NO, choice, option


class TpmDevice(Element):
    """``<device path='/dev/tpm0'/>`` of the host."""

    path: str | None = attribute(STRING)


class TpmEncryption(Element):
    """``<encryption secret='UUID'/>``: the secret that the state is encrypted with."""

    secret: str | None = attribute(UUID)


class PcrBanks(Element):
    """``<active_pcr_banks>``: the hash algorithms whose registers the module keeps."""

    sha1: bool = flag()
    sha256: bool = flag()
    sha384: bool = flag()
    sha512: bool = flag()


class TpmSource(Element):
    """``<source type='unix' mode='connect' path='…'/>`` of an external emulator, or its state."""

    type: str | None = attribute(STRING)
    mode: str | None = attribute(choice("connect", "bind"))
    path: str | None = attribute(STRING)


class TpmProfile(Element):
    """``<profile source='local:restricted' name='custom:restricted' remove_disabled='check'/>``."""

    source: str | None = attribute(STRING)
    remove_disabled: str | None = attribute(option("check", "fips-host"))
    name: str | None = attribute(STRING)


class TpmBackend(Element):
    """``<backend type='emulator' version='2.0'>``."""

    type: str | None = attribute(choice("passthrough", "emulator", "external"))
    version: str | None = attribute(choice("default", "1.2", "2.0"))
    persistent_state: bool | None = attribute(YES_NO)
    debug: int | None = attribute(UINT, since="10.2.0")
    device: TpmDevice | None = child(TpmDevice)
    encryption: TpmEncryption | None = child(TpmEncryption)
    active_pcr_banks: PcrBanks | None = child(PcrBanks)
    source: TpmSource | None = child(TpmSource, once=ONCE)
    profile: TpmProfile | None = child(TpmProfile, since="10.10.0")


class Tpm(Device):
    """``<tpm model='tpm-crb'>``."""

    tag = "tpm"
    schema_path = "domain/devices/tpm"

    model: str | None = attribute(choice("tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy"))
    backend: TpmBackend = group(TpmBackend, once=ONCE)
