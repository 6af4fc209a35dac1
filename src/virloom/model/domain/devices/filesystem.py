# SPDX-License-Identifier: Apache-2.0
"""``<filesystem>``: directories of the host that the guest sees."""

from __future__ import annotations

from virloom.model.domain.devices.device import BOOT, Boot, Device, VirtioOptions
from virloom.model.units import BYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, flag, group, leaf
from virloom.xml.kinds import (
    ON_OFF,
    STRING,
    UINT,
    UINT_OWNED,
    ULONG,
    ULONG_OWNED,
    Kind,
    blank,
    choice,
)

TYPES = ("mount", "block", "file", "template", "ram", "bind", "volume")


def _octal(text: str) -> int:
    digits = text.lstrip(" ")
    if not digits or not set(digits) <= set("01234567") or int(digits, 8) > 0o777:
        raise ValueError("an octal mode of at most 0777")
    return int(digits, 8)


_MODE: Kind[int] = Kind(_octal, "{:04o}".format)


class FilesystemDriver(VirtioOptions):
    """``<driver type='virtiofs' queue='1024'/>``."""

    type: str | None = attribute(choice("path", "handle", "loop", "nbd", "ploop", "virtiofs"))
    format: str | None = attribute(STRING)
    wrpolicy: str | None = attribute(choice("immediate"))
    queue: int | None = attribute(blank(ULONG_OWNED))


class FilesystemSource(Element):
    """``<source dir='…'/>``: the fields that count follow the type."""

    dev: str | None = attribute(STRING)
    dir: str | None = attribute(STRING)
    file: str | None = attribute(STRING)
    name: str | None = attribute(STRING)
    usage: int | None = attribute(ULONG)
    units: str | None = attribute(STRING)
    pool: str | None = attribute(STRING)
    volume: str | None = attribute(STRING)
    socket: str | None = attribute(STRING)


class FilesystemTarget(Element):
    """``<target dir='…'/>``: for QEMU the tag that the guest mounts."""

    dir: str | None = attribute(STRING)


class CacheMode(Element):
    """``<cache mode='always'/>``."""

    mode: str | None = attribute(choice("none", "always"))


class SandboxMode(Element):
    """``<sandbox mode='chroot'/>``."""

    mode: str | None = attribute(choice("namespace", "chroot"))


class LockModes(Element):
    """``<lock posix='on' flock='on'/>``."""

    posix: bool | None = attribute(ON_OFF)
    flock: bool | None = attribute(ON_OFF)


class ThreadPool(Element):
    """``<thread_pool size='16'/>``."""

    size: int | None = attribute(blank(UINT_OWNED))


class OpenFiles(Element):
    """``<openfiles max='…'/>``."""

    max: int | None = attribute(UINT)


class FilesystemBinary(Element):
    """``<binary path='…' xattr='on'>``: the program that serves a virtiofs directory."""

    path: str | None = attribute(STRING)
    xattr: bool | None = attribute(ON_OFF)
    cache: CacheMode = group(CacheMode)
    sandbox: SandboxMode = group(SandboxMode)
    lock: LockModes = group(LockModes)
    thread_pool: ThreadPool = group(ThreadPool)
    openfiles: OpenFiles = group(OpenFiles, since="10.6.0")


class IdRange(Element):
    """``<uid start='0' target='1000' count='10'/>``."""

    start: int | None = attribute(UINT)
    target: int | None = attribute(UINT)
    count: int | None = attribute(UINT)


class FilesystemIdmap(Element):
    """``<idmap>``: the guest's ids as the host has them."""

    uids: list[IdRange] = children(IdRange, "uid")
    gids: list[IdRange] = children(IdRange, "gid")


class Filesystem(Device):
    """``<filesystem type='mount' accessmode='passthrough'>``."""

    tag = "filesystem"
    schema_path = "domain/devices/filesystem"

    type: str | None = attribute(choice(*TYPES))
    accessmode: str | None = attribute(choice("passthrough", "mapped", "squash"))
    model: str | None = attribute(
        choice("virtio", "virtio-transitional", "virtio-non-transitional")
    )
    multidevs: str | None = attribute(choice("default", "remap", "forbid", "warn"))
    fmode: int | None = attribute(_MODE)
    dmode: int | None = attribute(_MODE)
    driver: FilesystemDriver = group(FilesystemDriver)
    binary: FilesystemBinary = group(FilesystemBinary)
    idmap: FilesystemIdmap | None = child(FilesystemIdmap, since="10.0.0")
    source: FilesystemSource = group(FilesystemSource)
    target: FilesystemTarget = group(FilesystemTarget)
    readonly: bool = flag()
    space_hard_limit: int | None = leaf(BYTES, order=200)
    space_soft_limit: int | None = leaf(BYTES, order=201)
    boot: Boot | None = child(Boot, order=BOOT)
