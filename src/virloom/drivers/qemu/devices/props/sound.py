# SPDX-License-Identifier: Apache-2.0
"""Sound cards and the codecs on them."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Sound

_MODELS = {
    "es1370": "ES1370",
    "ac97": "AC97",
    "sb16": "sb16",
    "ich6": "intel-hda",
    "ich9": "ich9-intel-hda",
    "usb": "usb-audio",
}
_HDA = ("ich6", "ich9")
_CODECS = {"duplex": "hda-duplex", "micro": "hda-micro", "output": "hda-output"}


def sound_devices(sound: Sound, buses: Buses, audiodev: str | None) -> list[Props]:
    """Properties of the card and of its codecs; one that plays has the back end *audiodev*.

    Raises:
        ConfigUnsupported: A model that is not supported.
    """
    model = sound.model or ""
    if model not in _MODELS:
        raise ConfigUnsupported(
            f"sound card model '{model}' is not supported; known: " + ", ".join(sorted(_MODELS))
        )
    alias = alias_of(sound, f"sound card '{model}'")
    card: Props = {"driver": _MODELS[model], "id": alias}
    if model not in _HDA:
        if audiodev is not None:
            card["audiodev"] = audiodev
        return [{**card, **buses.place(sound, alias)}]
    # An HDA card alone is silent: without a codec in the document it gets one for both ways.
    kinds = [codec.type or "duplex" for codec in sound.codecs] or ["duplex"]
    codecs: list[Props] = [
        {
            "driver": _CODECS[kind],
            "id": f"{alias}-codec{number}",
            "bus": f"{alias}.0",
            "cad": number,
        }
        for number, kind in enumerate(kinds)
    ]
    if audiodev is not None:
        for codec in codecs:
            codec["audiodev"] = audiodev
    return [{**card, **buses.place(sound, alias)}, *codecs]
