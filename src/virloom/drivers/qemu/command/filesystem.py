# SPDX-License-Identifier: Apache-2.0
"""Directories that the guest shares with the host."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.filesystem import (
    filesystem_alias,
    filesystem_device,
    fsdev_options,
)
from virloom.model.domain import Filesystem


def server_socket(filesystem: Filesystem, lib_dir: str) -> str:
    """Where the process that serves a virtiofs directory listens."""
    return os.path.join(lib_dir, f"{filesystem_alias(filesystem)}-fs.sock")


def add_filesystems(assembly: Assembly) -> None:
    """Back end and device of every shared directory."""
    for filesystem in assembly.dom.devices.filesystems:
        alias = filesystem_alias(filesystem)
        if filesystem.driver.type == "virtiofs":
            where = ("path", filesystem.source.socket)
            if alias in assembly.context.sockets:  # of a QEMU that runs: connected already
                where = ("fd", str(assembly.context.sockets[alias]))
            elif where[1] is None:
                where = ("path", server_socket(filesystem, assembly.context.lib_dir))
            options = keyval([("id", f"chr-vu-{alias}"), where])
            assembly.args.option("chardev", f"socket,{options}")
        else:
            backend, pairs = fsdev_options(filesystem)
            # The short form, which is what libvirt shows.
            readonly = ",readonly" if filesystem.readonly else ""
            assembly.args.option("fsdev", f"{backend},{keyval(pairs)}{readonly}")
        boot = filesystem.boot.order if filesystem.boot is not None else None
        assembly.args.device(filesystem_device(filesystem, assembly.buses, boot=boot))
