# SPDX-License-Identifier: Apache-2.0
"""``<sound>`` and ``<audio>``: sound cards, and what plays them on the host."""

from __future__ import annotations

from virloom.model.domain.base import DomainElement
from virloom.model.domain.devices.device import Device
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group
from virloom.xml.kinds import INT, STRING, UINT, UINT_POSITIVE, YES_NO, choice, option


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


class AudioSettings(Element):
    """``<settings frequency='44100' channels='2' format='s16'/>``."""

    frequency: int | None = attribute(UINT_POSITIVE)
    channels: int | None = attribute(UINT_POSITIVE)
    format: str | None = attribute(choice("s8", "u8", "s16", "u16", "s32", "u32", "f32"))


class AudioDirection(Element):
    """``<input …/>`` or ``<output …/>`` of an audio back end; which fields count follows its type.

    ``bufferLength`` and ``latency`` are microseconds.
    """

    mixing_engine: bool | None = attribute(YES_NO, "mixingEngine")
    fixed_settings: bool | None = attribute(YES_NO, "fixedSettings")
    voices: int | None = attribute(UINT_POSITIVE)
    buffer_length: int | None = attribute(UINT_POSITIVE, "bufferLength")
    server_name: str | None = attribute(STRING, "serverName")
    client_name: str | None = attribute(STRING, "clientName")
    connect_ports: str | None = attribute(STRING, "connectPorts")
    exact_name: bool | None = attribute(YES_NO, "exactName")
    dev: str | None = attribute(STRING)
    buffer_count: int | None = attribute(UINT, "bufferCount")
    try_poll: bool | None = attribute(YES_NO, "tryPoll")
    name: str | None = attribute(STRING)
    stream_name: str | None = attribute(STRING, "streamName")
    latency: int | None = attribute(UINT)
    settings: AudioSettings = group(AudioSettings)


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
            "pipewire",
        )
    )
    timer_period: int | None = attribute(UINT_POSITIVE, "timerPeriod")
    try_mmap: bool | None = attribute(YES_NO, "tryMMap")
    exclusive: bool | None = attribute(YES_NO)
    dsp_policy: int | None = attribute(INT, "dspPolicy")
    server_name: str | None = attribute(STRING, "serverName")
    driver: str | None = attribute(
        choice("esd", "alsa", "arts", "pulseaudio", "pipewire", "dsound", "winmm")
    )
    runtime_dir: str | None = attribute(STRING, "runtimeDir", since="9.10.0")
    path: str | None = attribute(STRING)
    input: AudioDirection = group(AudioDirection)
    output: AudioDirection = group(AudioDirection)
