# SPDX-License-Identifier: Apache-2.0
"""Audio back ends: where the guest's sound goes on the host, and comes from."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Props
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Audio, AudioDirection

_DRIVERS = {
    "none": "none",
    "alsa": "alsa",
    "coreaudio": "coreaudio",
    "jack": "jack",
    "oss": "oss",
    "pulseaudio": "pa",
    "sdl": "sdl",
    "spice": "spice",
    "file": "wav",
    "dbus": "dbus",
}
#: What each kind says of a direction: QEMU's name, and the model's.
_COUNT = ("buffer-count", "buffer_count")
_OPTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "alsa": (("dev", "dev"),),
    "coreaudio": (_COUNT,),
    "jack": (
        ("server-name", "server_name"),
        ("client-name", "client_name"),
        ("connect-ports", "connect_ports"),
        ("exact-name", "exact_name"),
    ),
    "oss": (("dev", "dev"), _COUNT, ("try-poll", "try_poll")),
    "pulseaudio": (("name", "name"), ("stream-name", "stream_name"), ("latency", "latency")),
    "sdl": (_COUNT,),
}
_COMMON = (
    ("mixing-engine", "mixing_engine"),
    ("fixed-settings", "fixed_settings"),
    ("voices", "voices"),
    ("buffer-length", "buffer_length"),
)
_SETTINGS = ("frequency", "channels", "format")


def audio_backend(audio: Audio) -> Props:
    """Properties of the back end.

    Raises:
        ConfigUnsupported: A kind that this QEMU does not have.
    """
    kind = audio.type or ""
    if kind not in _DRIVERS:
        raise ConfigUnsupported(
            f"audio back end '{kind}' is not one of this QEMU's: {', '.join(_DRIVERS)}",
            domain=ErrorDomain.QEMU,
        )
    props: Props = {"id": f"audio{audio.id}", "driver": _DRIVERS[kind]}
    props.update(_own(audio, kind))
    for name, direction in (("in", audio.input), ("out", audio.output)):
        found = _direction(kind, direction)
        if found:
            props[name] = found
    return props


def _own(audio: Audio, kind: str) -> Props:
    own: dict[str, dict[str, object]] = {
        "alsa": {"timer-period": audio.timer_period},
        "dbus": {"timer-period": audio.timer_period},
        "oss": {
            "try-mmap": audio.try_mmap,
            "exclusive": audio.exclusive,
            "dsp-policy": audio.dsp_policy,
        },
        "pulseaudio": {"server": audio.server_name},
        "file": {"path": audio.path},
    }
    return {key: value for key, value in own.get(kind, {}).items() if value is not None}


def _direction(kind: str, direction: AudioDirection) -> Props:
    values = {name: getattr(direction, field) for name, field in _COMMON}
    values |= {name: getattr(direction.settings, name) for name in _SETTINGS}
    values |= {name: getattr(direction, field) for name, field in _OPTIONS.get(kind, ())}
    return {name: value for name, value in values.items() if value is not None}
