# SPDX-License-Identifier: Apache-2.0
"""Where sound goes: nowhere, so far."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain


def audio_id(dom: Domain) -> str | None:
    """QEMU's id of the guest's first audio back end, which displays use."""
    for audio in dom.devices.audios:
        return f"audio{audio.id}"
    return None


def add_audios(assembly: Assembly) -> None:
    """Every audio back end."""
    for audio in assembly.dom.devices.audios:
        if audio.type != "none":
            raise ConfigUnsupported(
                f"audio back end type '{audio.type}' is not supported yet; known: none"
            )
        assembly.args.audiodev({"id": f"audio{audio.id}", "driver": "none"})
