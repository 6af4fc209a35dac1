# SPDX-License-Identifier: Apache-2.0
"""``<sound>`` and ``<audio>``: sound cards, and what plays them on the host."""

from __future__ import annotations

from virloom.model.domain.base import DomainElement
from virloom.model.domain.devices.device import Device
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, verbatim
from virloom.xml.kinds import STRING, UINT, choice, option
from virloom.xml.node import Node


class Codec(Element):
    """``<codec type='duplex'/>`` of an HDA sound card."""

    type: str | None = attribute(option("duplex", "micro", "output"))


class AudioReference(Element):
    """``<audio id='1'/>``: which audio backend plays it."""

    id: int | None = attribute(UINT)


class Sound(Device):
    """``<sound model='ich9'>``."""

    tag = "sound"
    schema_path = "domain/devices/sound"

    model: str | None = attribute(
        choice("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "ich7")
    )
    codecs: list[Codec] = children(Codec, "codec")
    audio: AudioReference | None = child(AudioReference)


class Audio(DomainElement):
    """``<audio id='1' type='none'/>``."""

    tag = "audio"
    schema_path = "domain/devices/audio"

    id: int | None = attribute(UINT)
    type: str | None = attribute(
        choice(
            "none",
            "alsa",
            "coreaudio",
            "jack",
            "oss",
            "pulseaudio",
            "sdl",
            "spice",
            "file",
            "dbus",
        )
    )
    driver: str | None = attribute(STRING)
    server_name: str | None = attribute(STRING, "serverName")
    path: str | None = attribute(STRING)
    inputs: list[Node] = verbatim("input")
    outputs: list[Node] = verbatim("output")
