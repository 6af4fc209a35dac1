# SPDX-License-Identifier: Apache-2.0
"""Where sound goes."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.audio import audio_backend
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain


def audio_id(dom: Domain, chosen: int | None = None) -> str | None:
    """QEMU's id of the *chosen* audio back end, or of the guest's first; None without any.

    Raises:
        ConfigUnsupported: The chosen one is not in the document.
    """
    audios = [audio for audio in dom.devices.audios if chosen in (None, audio.id)]
    if audios:
        return f"audio{audios[0].id}"
    if chosen is not None:
        raise ConfigUnsupported(f"no <audio> element has the id {chosen}")
    return None


def add_audios(assembly: Assembly) -> None:
    """Every audio back end."""
    for audio in assembly.dom.devices.audios:
        assembly.args.audiodev(audio_backend(audio))
        if audio.type == "sdl" and audio.driver is not None:
            assembly.environment["SDL_AUDIODRIVER"] = audio.driver
