# SPDX-License-Identifier: Apache-2.0
"""What goes into building a command line besides the domain, and what comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from virloom.drivers.qemu.block.chain import ImageLayer


class FileRequest(NamedTuple):
    """A file that the launcher opens and passes as a descriptor.

    Attributes:
        key: Its name in :attr:`BuildContext.files`.
        path: Where it is.
        access: ``r``, ``w`` or ``rw``: QEMU takes from an fd set only what has exactly the
            access it wants.
        block: Whether it must be a block device; None if it may be either.
        create: Whether it is made when missing (logs and outputs of character devices).
        truncate: Whether its old content goes.
        image: Whether it is a disk image or firmware variables, whose owner the security driver
            changes for the time of the run.
        log: Whether it is what a port writes, which virtlogd may take in the file's place.
        reopened: Whether QEMU opens it once more through ``/proc/self/fd``, so that QEMU's own
            user must be allowed to read it.
    """

    key: str
    path: str
    access: str
    block: bool | None = None
    create: bool = False
    truncate: bool = False
    image: bool = False
    reopened: bool = False
    log: bool = False

    @property
    def flags(self) -> int:
        """Flags for :func:`os.open`; O_DIRECT and O_APPEND are set by QEMU on its duplicate."""
        flags = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}[self.access]
        flags |= os.O_CLOEXEC | os.O_NOCTTY
        if self.create:
            flags |= os.O_CREAT
        if self.truncate:
            flags |= os.O_TRUNC
        return flags


class BuildContext(NamedTuple):
    """The facts of one start.

    Attributes:
        guest_name: Shown as the process's title.
        monitor_fd: The listening AF_UNIX socket of the monitor.
        lib_dir: The guest's own directory, for sockets that nobody named.
        files: Descriptor by :attr:`FileRequest.key`; a path where QEMU is to open it by itself.
        sockets: Listening AF_UNIX sockets by alias of their character device; one without an
            entry is bound by QEMU itself.
        chains: Backing chain by alias of its disk, from ``block.chain``.
        seccomp: Whether QEMU confines itself with ``-sandbox``.
        stdio: Whether a character device may use QEMU's own standard input and output.
        now: Seconds since the epoch, for clocks with an adjustment.
        tpm_socket: The connection to the emulator of the TPM, if there is one.
        secrets: Values of the secrets that images need, by their uuid or usage.
        bus_address: Of the D-Bus that a display without an address of its own is on.
        tls_dir: Where QEMU's certificates are.
        hugepages: The guest's directory in huge pages, by KiB of a page; 0 is the host's usual.
        incoming: The guest goes on from a state that QEMU is given later.
        standalone: The command line is to be read or run by a person, as libvirt 9 shows it
            (``qemu-argv``): without our descriptors, with sockets by their paths.
    """

    guest_name: str
    monitor_fd: int
    lib_dir: str
    files: Mapping[str, int | str] = {}
    sockets: Mapping[str, int] = {}
    chains: Mapping[str, tuple[ImageLayer, ...]] = {}
    seccomp: bool = True
    stdio: bool = False
    now: float = 0.0
    tpm_socket: int | None = None
    incoming: bool = False
    standalone: bool = False
    secrets: Mapping[str, bytes] = {}
    bus_address: str | None = None
    tls_dir: str = "/etc/pki/qemu"
    hugepages: Mapping[int, str] = {}


class DiskNodes(NamedTuple):
    """The block nodes of one disk, for the monitor.

    Attributes:
        qdev: Alias of the device (QEMU's ``id``).
        top: The node that the device uses; None for an empty drive.
        layers: Format and storage node of each image, top first.
        indexes: libvirt's number of each image, top first.
    """

    qdev: str
    top: str | None
    layers: tuple[tuple[str, str], ...]
    indexes: tuple[int, ...]


class CommandLine(NamedTuple):
    """A finished command line.

    Attributes:
        argv: Program first.
        nodes: Block nodes by alias of the disk.
        fdsets: Number of the fd set by key of the descriptor in it.
        next_node: The first free image number, for images added later.
        next_fdset: The first free fd set number.
        environment: Variables that QEMU needs beside those of every guest.
        passwords: Documents' display passwords to be set by the monitor before the guest runs:
            protocol (``vnc``) to password. Never on the command line, where everybody reads it.
        secrets: Contents of files in the guest's own directory, by name, that have to be there
            when QEMU starts.
        commands: Name and arguments of further commands for the monitor before the guest runs.
    """

    argv: list[str]
    nodes: dict[str, DiskNodes]
    fdsets: dict[str, int]
    next_node: int
    next_fdset: int
    environment: dict[str, str]
    passwords: dict[str, str]
    commands: list[tuple[str, dict[str, Any]]]
    secrets: dict[str, bytes]
