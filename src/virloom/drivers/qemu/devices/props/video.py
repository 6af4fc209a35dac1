# SPDX-License-Identifier: Apache-2.0
"""Video cards."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Video, VideoModel

#: Devices by model: as the first card (with VGA where the model has it) and as a further one.
_MODELS: dict[str, tuple[str, str | None]] = {
    "vga": ("VGA", "VGA"),
    "cirrus": ("cirrus-vga", None),
    "vmvga": ("vmware-svga", None),
    "qxl": ("qxl-vga", "qxl"),
    "virtio": ("virtio-vga", "virtio-gpu"),
    "bochs": ("bochs-display", "bochs-display"),
    "ramfb": ("ramfb", None),
}

_KIB_PER_MIB = 1024
_BYTES_PER_KIB = 1024


def video_device(video: Video, buses: Buses, *, primary: bool, vga: bool = True) -> Props | None:
    """Properties of the card, sizes in QEMU's units; None for the model ``none``.

    Args:
        video: The card.
        buses: The guest's buses.
        primary: Whether the firmware uses it.
        vga: Whether the machine can have a VGA card, which ARM cannot.

    Raises:
        ConfigUnsupported: An unknown model, or one that cannot be a further card.
    """
    model = video.model
    kind = model.type or "none"
    if kind == "none":
        return None
    alias = alias_of(video, f"video device '{kind}'")
    if kind not in _MODELS:
        raise ConfigUnsupported(
            f"video model '{kind}' is not supported; known: none, " + ", ".join(sorted(_MODELS))
        )
    first, further = _MODELS[kind]
    driver = first if primary else further
    if driver is None:
        raise ConfigUnsupported(f"video model '{kind}' works as the first video device only")
    if kind == "virtio":
        driver = _virtio_name(video, primary=primary, vga=vga)
    props: Props = {"driver": driver, **virtio_options(video.driver), "id": alias}
    props.update(_memory(kind, model))
    resolution = model.resolution
    if resolution.x and kind in ("vga", "qxl", "virtio", "bochs"):
        props.update({"xres": resolution.x, "yres": resolution.y})
    props.update(buses.place(video, alias))
    return props


def _virtio_name(video: Video, *, primary: bool, vga: bool) -> str:
    on_pci = video.address is None or video.address.type in (None, "pci")
    gl = "-gl" if video.model.acceleration.accel3d else ""
    if primary and on_pci and vga:
        return f"virtio-vga{gl}"
    return virtio_driver(f"virtio-gpu{gl}", None, video.address)


def _memory(kind: str, model: VideoModel) -> Props:
    """Memory sizes and heads; the document's are in KiB."""
    props: Props = {}
    if kind == "virtio" or (kind == "qxl" and model.heads):
        props["max_outputs"] = model.heads or 1
    if kind == "qxl":
        sizes = {
            "ram_size": model.ram and model.ram * _BYTES_PER_KIB,
            "vram_size": model.vram and model.vram * _BYTES_PER_KIB,
            "vram64_size_mb": (model.vram64 or 0) // _KIB_PER_MIB,
            "vgamem_mb": model.vgamem and model.vgamem // _KIB_PER_MIB,
        }
        props.update({key: value for key, value in sizes.items() if value is not None})
    elif kind in ("vga", "vmvga") and model.vram:
        props["vgamem_mb"] = model.vram // _KIB_PER_MIB
    elif kind == "bochs" and model.vram:
        props["vgamem"] = model.vram * _BYTES_PER_KIB
    return props
