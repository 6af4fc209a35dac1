# SPDX-License-Identifier: Apache-2.0
"""Directories of the host that the guest mounts: 9p within QEMU, virtiofs by a process."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.model.domain import Filesystem

#: QEMU's name of each access mode.
_SECURITY = {"mapped": "mapped", "passthrough": "passthrough", "squash": "none"}


def filesystem_alias(filesystem: Filesystem) -> str:
    """The alias, which it must have by now."""
    return alias_of(filesystem, f"file system '{filesystem.target.dir}'")


def fsdev_options(filesystem: Filesystem) -> tuple[str, list[tuple[str, object]]]:
    """Back end and options of a directory that QEMU serves by itself (9p)."""
    backend = "handle" if filesystem.driver.type == "handle" else "local"
    pairs: list[tuple[str, object]] = []
    if backend == "local":
        pairs.append(("security_model", _SECURITY[filesystem.accessmode or "passthrough"]))
        pairs.append(("multidevs", filesystem.multidevs))
        for name, mode in (("fmode", filesystem.fmode), ("dmode", filesystem.dmode)):
            pairs.append((name, None if mode is None else f"{mode:04o}"))
    pairs.append(("writeout", filesystem.driver.wrpolicy))
    pairs.append(("id", f"fsdev-{filesystem_alias(filesystem)}"))
    pairs.append(("path", filesystem.source.dir))
    return backend, pairs


def filesystem_device(filesystem: Filesystem, buses: Buses, *, boot: int | None) -> Props:
    """Properties of the device that the guest mounts by its tag."""
    alias = filesystem_alias(filesystem)
    place = buses.place(filesystem, alias)
    if filesystem.driver.type == "virtiofs":
        props: Props = {"driver": virtio_driver("vhost-user-fs", None, filesystem.address)}
        props.update({"id": alias, "chardev": f"chr-vu-{alias}"})
        if filesystem.driver.queue:
            props["queue-size"] = filesystem.driver.queue
        props["tag"] = filesystem.target.dir
        if boot is not None:
            props["bootindex"] = boot
        return {**props, **virtio_options(filesystem.driver), **place}
    props = {"driver": virtio_driver("virtio-9p", filesystem.model, filesystem.address)}
    props.update(virtio_options(filesystem.driver))
    props.update({"id": alias, "fsdev": f"fsdev-{alias}", "mount_tag": filesystem.target.dir})
    return {**props, **place}
