# SPDX-License-Identifier: Apache-2.0
"""Checks of sound cards and of the back ends that play them."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Audio, AudioReference, Domain, GraphicsAudio


def check_given_sound(dom: Domain) -> None:
    """Sound cards and audio back ends as the document has them.

    Raises:
        XmlError: Something is missing, or an id is given twice.
        ConfigUnsupported: Settings that need others.
    """
    if any(sound.model is None for sound in dom.devices.sounds):
        raise XmlError("a sound card has no model", domain=ErrorDomain.NONE)
    if any(codec.type is None for sound in dom.devices.sounds for codec in sound.codecs):
        raise ConfigUnsupported("a codec has no type", domain=ErrorDomain.DOMAIN)
    seen: set[int] = set()
    for audio in dom.devices.audios:
        for message in _missing(audio):
            raise XmlError(f"audio: {message}", domain=ErrorDomain.XML)
        if audio.dsp_policy is not None and audio.dsp_policy < 0:
            raise XmlError(
                f"audio: dspPolicy {audio.dsp_policy} is negative", domain=ErrorDomain.DOMAIN
            )
        if audio.id in seen:
            raise XmlError(
                f"audio: two back ends have the id {audio.id}", domain=ErrorDomain.DOMAIN
            )
        for message in _settings(audio):
            raise ConfigUnsupported(f"audio {audio.id}: {message}", domain=ErrorDomain.DOMAIN)
        seen.add(audio.id or 0)


def _missing(audio: Audio) -> Iterator[str]:
    if audio.type is None:
        yield "a back end has no type"
    if not audio.id:
        yield "a back end has no id, which counts from 1"


def _settings(audio: Audio) -> Iterator[str]:
    for direction in (audio.input, audio.output):
        if direction.settings.__dict__ and not direction.fixed_settings:
            yield "<settings> need fixedSettings='yes'"
        if direction.fixed_settings and direction.mixing_engine is False:
            yield "fixedSettings='yes' needs the mixing engine"


def check_sound(dom: Domain) -> None:
    """What names a back end names one that is there, and one that works.

    Raises:
        XmlError: There is no back end with that id.
        ConfigUnsupported: One through SPICE without SPICE.
    """
    devices = dom.devices
    ids = {audio.id for audio in devices.audios}
    named: list[AudioReference | GraphicsAudio | None]
    named = [sound.audio for sound in devices.sounds]
    named += [graphics.audio for graphics in devices.graphics]
    for audio in named:
        if audio is not None and audio.id not in ids:
            raise XmlError(f"no audio back end has the id {audio.id}", domain=ErrorDomain.DOMAIN)
    spice = any(graphics.type == "spice" for graphics in devices.graphics)
    if not spice and any(audio.type == "spice" for audio in devices.audios):
        raise ConfigUnsupported(
            "audio through SPICE needs a display of type 'spice'", domain=ErrorDomain.QEMU
        )
