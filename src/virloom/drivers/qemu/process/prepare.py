# SPDX-License-Identifier: Apache-2.0
"""What a guest finds when its QEMU starts: directories, files, sockets, and its command line."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from virloom.drivers.qemu.associated import FdGroup
from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.context import BuildContext, CommandLine
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.confine.owners import ids_of_guest, show_owner
from virloom.drivers.qemu.confine.start import hand_over
from virloom.drivers.qemu.devices.props.net import needs_host
from virloom.drivers.qemu.limits import groups as limits
from virloom.drivers.qemu.limits.start import refuse_unlimited
from virloom.drivers.qemu.process import live, logd, resources, secrets
from virloom.drivers.qemu.process.start import Start
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.tpm import emulated_tpm, outlives, start_tpm, state_directory
from virloom.drivers.runtime.turns import let_others
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.host.files import Directory
from virloom.host.liveness import live_path, take_liveness


async def prepare(start: Start, opened: ExitStack, caps: BinaryCaps) -> CommandLine:
    """Makes what QEMU will find; *opened* holds our copies of its descriptors.

    Raises:
        VirloomError: Something cannot be had. What was made by then is in the record.
    """
    record = start.record
    lock = live_path(str(record.path))
    record.directory = str(start.directory)
    record.persistent = start.guest.persistent
    record.resources = _resources(start, lock)
    record.save()
    reached("intent-recorded")
    await let_others()  # a dozen directories follow, which the kernel takes its time to make
    _make_groups(start)
    reached("groups-made")
    await let_others()
    live_fd = _take_liveness(start, lock, opened)
    owner = _make_directories(start)
    reached("directory-made")
    await let_others()
    await _take_devices(start)
    given = resources.given_images(start.model, start.guest.fd_groups)
    chains = resources.image_chains(start.model, given)
    passphrases = await secrets.look_up(start.driver, start.model, chains)
    resources.make_nvram(start.model, fresh=start.reset_nvram)
    files = await _open_files(start, chains, given, opened)
    files |= await _connect_cards(start, opened)
    sockets = resources.listening_sockets(start.model, opened)
    reached("files-opened")
    await let_others()
    grouped = start.groups is not None and start.groups.has("cpuset")
    start.confinement = await hand_over(
        start.driver, record, start.model, chains, start.ids, grouped=grouped
    )
    directory = opened.enter_context(Directory(start.directory))
    listener = opened.enter_context(directory.listen_unix(record.monitor))
    reached("monitor-listening")
    tpm_socket = await start_tpm(start.driver, start.model, opened)
    logs = {alias: (path, False) for alias, path in start.servers.logs().items()}
    start.servers.start(directory, owner, await logd.open_pipes(start.logd, logs, opened))
    start.ports.choose(start.model)
    context = _context(start, listener.fileno(), directory.fileno(), tpm_socket)._replace(
        files=files,
        sockets={alias: sock.fileno() for alias, sock in sockets.items()},
        chains=chains,
        secrets=passphrases,
    )
    start.pass_fds = [live_fd, directory.fileno(), listener.fileno(), *_descriptors(context)]
    await let_others()
    command = build(start.model, caps, context)
    await let_others()
    start.pass_fds += resources.lend_secrets(start.directory, command.secrets, owner, start.lent)
    live.show_disks(start.model, command.nodes, chains)
    live.show_displays(start.model, str(start.directory))
    show_owner(start.driver, start.model, start.ids)
    return command


def _context(start: Start, monitor: int, directory: int, tpm_socket: int | None) -> BuildContext:
    """What the command line needs to know, but for images, sockets and secrets."""
    return BuildContext(
        guest_name=start.guest.name,
        monitor_fd=monitor,
        # By descriptor: QEMU's user may not be allowed down the path to it.
        lib_dir=f"/proc/self/fd/{directory}",
        seccomp=start.driver.config.seccomp_sandbox != 0,
        now=time.time(),
        tpm_socket=tpm_socket,
        tls_dir=str(start.driver.directories.certificates),
        incoming=start.incoming is not None and start.incoming.deferred,
        hugepages=start.hugepages.directories,
    )


async def _take_devices(start: Start) -> None:
    hostdevs = start.model.devices.hostdevs
    if hostdevs:
        from virloom.drivers.qemu.hostdevs.taking import take_devices  # few guests have any

        restored = ("requisite",) if start.incoming is not None else ()
        may_miss = ("optional", *restored)
        await take_devices(start.driver, start.record, hostdevs, may_miss=may_miss)


def _make_directories(start: Start) -> tuple[int, int] | None:
    """The guest's own directory and those in huge pages; whose they are, if not ours."""
    start.ids = ids_of_guest(start.driver, start.model)
    owner = start.driver.owner_of(start.ids)
    resources.make_guest_directory(start.directory, owner)
    start.hugepages.make(owner)
    return owner


async def _open_files(
    start: Start,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    given: Mapping[str, FdGroup],
    opened: ExitStack,
) -> dict[str, int]:
    requests = plan_files(start.model, chains)
    daemon = start.logd = await logd.choose(start.driver, start.guest)
    ports = {entry.key: (entry.path, entry.truncate) for entry in requests if entry.log}
    logged = await logd.open_pipes(daemon, ports, opened)
    others = [request for request in requests if request.key not in logged]
    reader = start.ids if start.driver.owner_of(start.ids) else None
    return logged | resources.open_files(others, opened, reader, given)


async def _connect_cards(start: Start, opened: ExitStack) -> dict[str, int]:
    """Ports of networks, taps, and processes of user networks."""
    cards = start.model.devices.interfaces
    if not any(map(needs_host, cards)):
        return {}
    from virloom.drivers.qemu.nics.connecting import connect  # guests may have no such card

    kvm = start.model.type == "kvm"
    return await connect(start.driver, start.guest, start.record, cards, opened, kvm=kvm)


def _resources(start: Start, lock: str) -> list[dict[str, Any]]:
    """What is to be released when the guest ends, whoever sees to that."""
    return [
        {"kind": "file", "path": lock},
        {
            "kind": "directory",
            "path": str(start.directory),
            "root": str(start.driver.directories.lib),
        },
        *(
            {"kind": "file", "path": path}
            for path in map(resources.listening_path, resources.chardevs(start.model))
            if path is not None
        ),
        *start.hugepages.resources(),
        *_tpm_resources(start),
        *([start.groups.resource()] if start.groups is not None else []),
    ]


def _tpm_resources(start: Start) -> list[dict[str, str]]:
    """The state of a TPM that nobody wants to keep: that of a guest for one run."""
    tpm = emulated_tpm(start.model)
    if tpm is None or start.guest.persistent or outlives(tpm):
        return []
    path = state_directory(start.driver, start.guest.uuid_text)
    return [{"kind": "directory", "path": str(path), "root": str(path.parent)}]


def plan_groups(start: Start) -> None:
    """Finds the control groups that the guest will be in, if it will.

    Raises:
        VirloomError: The document has limits that cannot be kept here.
    """
    start.groups = limits.plan_groups(start.driver, start.model, start.id)
    _refuse_unlimited(start)


def _refuse_unlimited(start: Start) -> None:
    session = not start.driver.dac.privileged
    refuse_unlimited(start.model, start.groups, session=session)


def _make_groups(start: Start) -> None:
    if start.groups is not None:
        start.groups = limits.make_groups(start.groups, start.model)
        _refuse_unlimited(start)


def _take_liveness(start: Start, path: str, opened: ExitStack) -> int:
    try:
        fd = take_liveness(path)
    except BlockingIOError as exc:
        raise OperationFailed(
            f"a process of an earlier run of domain '{start.guest.name}' is still there",
            domain=ErrorDomain.QEMU,
        ) from exc
    opened.callback(os.close, fd)
    return fd


def _descriptors(context: BuildContext) -> list[int]:
    """What the command line names by number."""
    files = [fd for fd in context.files.values() if isinstance(fd, int)]
    tpm = [context.tpm_socket] if context.tpm_socket is not None else []
    return [*files, *context.sockets.values(), *tpm]
