# SPDX-License-Identifier: Apache-2.0
"""Sound cards."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.audio import audio_id
from virloom.drivers.qemu.devices.props.sound import sound_devices


def add_sounds(assembly: Assembly) -> None:
    """Every sound card, on the back end that it names or on the first."""
    for sound in assembly.dom.devices.sounds:
        if sound.model == "pcspk":
            # It is part of the board, and gets its back end with it.
            if assembly.context.standalone:
                assembly.args.option("soundhw", "pcspk")
            continue
        chosen = sound.audio.id if sound.audio is not None else None
        for props in sound_devices(sound, assembly.buses, audio_id(assembly.dom, chosen)):
            assembly.args.device(props)
