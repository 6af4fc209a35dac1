# SPDX-License-Identifier: Apache-2.0
"""What a guest holds while it starts: opened files, sockets, and its own directory."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from virloom.drivers.qemu.associated import FdGroup, FdGroups, groups_of
from virloom.drivers.qemu.block.chain import ImageLayer, Reader, disk_chain
from virloom.drivers.qemu.command.blocknodes import image_key
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.runtime.image import ImageHead, head_of, read_head
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.host.files import Directory, ensure_directory, write_atomic
from virloom.model.domain import Chardev, ChardevSource, Device, Disk, Domain
from virloom.security.dac import Ids


def open_files(
    requests: Iterable[FileRequest],
    stack: ExitStack,
    reader: Ids | None = None,
    given: Mapping[str, FdGroup] | None = None,
) -> dict[str, int]:
    """Opens what QEMU gets as descriptors; *stack* closes our copies.

    Args:
        reader: Whom QEMU runs as, if that is somebody else.
        given: What a client opened for us, by :attr:`FileRequest.key`.

    Raises:
        SystemFailure: A file cannot be opened, with its path.
        ConfigUnsupported: It is no block device though the document says so, or the reverse.
    """
    files = {}
    for request in requests:
        group = given.get(request.key) if given else None
        if group is not None:
            files[request.key] = group.open(request.access)
            stack.callback(os.close, files[request.key])
            continue
        fd = _open(request, stack)
        if request.reopened and reader is not None and not _may_read(fd, reader):
            fd = _copy_in_memory(fd, request.path, stack)
        files[request.key] = fd
    return files


def _may_read(fd: int, reader: Ids) -> bool:
    """Whether the mode of an open file lets *reader* open it again through ``/proc``."""
    status = os.fstat(fd)
    if status.st_uid == reader.uid:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid in reader.groups:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)


def _copy_in_memory(fd: int, path: str, stack: ExitStack) -> int:
    """The file as one without a name, which everybody may read who is handed it."""
    copy = os.memfd_create("virloom-boot", os.MFD_CLOEXEC)
    stack.callback(os.close, copy)
    try:
        while os.sendfile(copy, fd, None, 1 << 30):
            pass
        os.fchmod(copy, 0o444)
    except OSError as exc:
        raise system_failure(f"cannot copy '{path}' for QEMU", exc) from exc
    return copy


def _open(request: FileRequest, stack: ExitStack) -> int:
    try:
        fd = os.open(request.path, request.flags, 0o600)
    except OSError as exc:
        raise system_failure(
            f"Cannot access storage file '{request.path}'", exc, domain=ErrorDomain.STORAGE
        ) from exc
    stack.callback(os.close, fd)
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode) or (request.block is not None and request.block != stat.S_ISBLK(mode)):
        wanted = "a block device" if request.block else "a regular file"
        raise ConfigUnsupported(f"'{request.path}' is not {wanted}", domain=ErrorDomain.QEMU)
    return fd


def given_images(model: Domain, groups: FdGroups) -> dict[str, FdGroup]:
    """What clients opened for the guest, by the keys of the images.

    Raises:
        InvalidArg: The document names a group that nobody has associated.
    """
    return {
        image_key(alias_of(disk), depth): groups.get(name)
        for disk in model.devices.disks
        for depth, name in enumerate(groups_of(disk))
        if name is not None
    }


def image_chains(model: Domain, given: Mapping[str, FdGroup]) -> dict[str, tuple[ImageLayer, ...]]:
    """The backing chain of each disk that has a source, by the disk's alias.

    Args:
        given: What clients opened, by the keys of the images.

    Raises:
        VirloomError: As :func:`~virloom.drivers.qemu.block.chain.disk_chain`.
    """
    chains = {}
    for disk in model.devices.disks:
        chain = disk_chain(disk, _reader(disk, given))
        if chain:
            chains[alias_of(disk)] = chain
    return chains


def _reader(disk: Disk, given: Mapping[str, FdGroup]) -> Reader:
    """Reads the heads of a disk's images, by descriptor where a client gave one."""
    sources = [disk.source]
    store = disk.backing_store
    while store is not None:
        sources.append(store.source)
        store = store.backing_store
    by_path = {
        source.file or source.dev: given[key]
        for depth, source in enumerate(sources)
        if (key := image_key(alias_of(disk), depth)) in given
    }

    def read(path: str) -> ImageHead:
        group = by_path.get(path)
        return read_head(path) if group is None else head_of(group.first, path)

    return read


def image_path(disk: Disk) -> str | None:
    """The local file or device that a disk shows; None for an empty drive."""
    return disk.source.file or disk.source.dev


def make_nvram(model: Domain, *, fresh: bool = False) -> None:
    """Makes the guest's firmware variables from their template at its first start.

    Args:
        fresh: Make them anew at this start.

    Raises:
        SystemFailure: The template cannot be read, or the copy not be written.
    """
    nvram = model.os.nvram
    if not nvram.value or not nvram.template or (os.path.exists(nvram.value) and not fresh):
        return
    try:
        content = Path(nvram.template).read_bytes()
    except OSError as exc:
        raise system_failure(f"cannot read the NVRAM template '{nvram.template}'", exc) from exc
    ensure_directory(os.path.dirname(nvram.value))
    write_atomic(nvram.value, content)


def make_guest_directory(path: Path, owner: tuple[int, int] | None) -> None:
    """Makes the guest's own directory, QEMU's to write in; a left-over one is replaced.

    Raises:
        SystemFailure: It cannot be made.
    """
    ensure_directory(path.parent)
    try:
        if path.exists():
            import shutil  # takes the compressors along, and there is seldom a left-over

            shutil.rmtree(path)
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, *owner)
    except OSError as exc:
        raise system_failure(f"cannot make the directory '{path}'", exc) from exc


def lend_secrets(
    directory: Path, secrets: Mapping[str, bytes], owner: tuple[int, int] | None, lent: ExitStack
) -> list[int]:
    """What QEMU alone may read, in memory: the guest's own directory has links to descriptors.

    Args:
        owner: Whom QEMU runs as, if that is somebody else.
        lent: Empties and closes ours; not before QEMU has read them.

    Returns:
        The descriptors, which QEMU is to have under the same numbers.

    Raises:
        SystemFailure: One cannot be made.
    """
    fds = []
    for name, value in secrets.items():
        try:
            fd = os.memfd_create("virloom-secret", os.MFD_CLOEXEC)
            lent.callback(_take_back, fd)
            os.write(fd, value)
            os.fchmod(fd, 0o400)
            if owner is not None:
                os.fchown(fd, *owner)
            os.symlink(f"/proc/self/fd/{fd}", directory / name)
        except OSError as exc:
            raise system_failure(f"cannot hand the secret '{name}' to QEMU", exc) from exc
        fds.append(fd)
    return fds


def _take_back(fd: int) -> None:
    os.ftruncate(fd, 0)  # QEMU has it open for as long as it lives
    os.close(fd)


def listening_sockets(model: Domain, stack: ExitStack) -> dict[str, socket.socket]:
    """Sockets of character devices that listen on a path, bound by us, by alias.

    QEMU may not be allowed into the directory that the document names.

    Raises:
        SystemFailure: A socket cannot be bound.
    """
    found = {}
    for device in chardevs(model):
        path = listening_path(device)
        if path is not None:
            directory, name = os.path.split(path)
            with Directory(directory or "/") as opened:
                found[alias_of(device)] = stack.enter_context(opened.listen_unix(name))
    return found


def listening_path(device: Chardev) -> str | None:
    """Where a character device listens on a UNIX socket; None for all others."""
    source = source_of(device)
    return source.path if device.type == "unix" and source.mode != "connect" else None


def source_of(device: Chardev) -> ChardevSource:
    """The first source of a character device, which all but UDP have only one of."""
    return device.sources[0] if device.sources else ChardevSource()


def alias_of(device: Device) -> str:
    """The name that QEMU and libvirt call a device by; empty before it has one."""
    return (device.alias.name or "") if device.alias is not None else ""


def chardevs(model: Domain) -> list[Chardev]:
    """Every character device that has a back end of its own.

    The first console of target type serial is the first serial port, seen a second time.
    """
    devices = model.devices
    consoles = [console for console in devices.consoles if console.target.type != "serial"]
    others = [*devices.redirdevs, *devices.smartcards]
    return [*devices.serials, *devices.parallels, *consoles, *devices.channels, *others]
