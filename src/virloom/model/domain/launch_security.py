# SPDX-License-Identifier: Apache-2.0
"""``<launchSecurity>`` and ``<keywrap>``: what protects the guest from its host."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, leaf
from virloom.xml.kinds import ON_OFF, STRING, YES_NO, choice


class LaunchSecurity(Element):
    """``<launchSecurity type='sev'>``; numbers as the document writes them."""

    type: str | None = attribute(choice("sev", "s390-pv"), required=True)
    kernel_hashes: bool | None = attribute(YES_NO, "kernelHashes")
    cbitpos: str | None = leaf(STRING)
    reduced_phys_bits: str | None = leaf(STRING, "reducedPhysBits")
    policy: str | None = leaf(STRING)
    dh_cert: str | None = leaf(STRING, "dhCert")
    session: str | None = leaf(STRING)


class KeywrapCipher(Element):
    """``<cipher name='aes' state='off'/>``."""

    name: str | None = attribute(choice("aes", "dea"), required=True)
    state: bool | None = attribute(ON_OFF, required=True)


class Keywrap(Element):
    """``<keywrap>`` of s390x."""

    ciphers: list[KeywrapCipher] = children(KeywrapCipher, "cipher")
