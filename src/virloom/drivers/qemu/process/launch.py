# SPDX-License-Identifier: Apache-2.0
"""The start of a guest.

A start is a scope. Its record is written first, with every resource that is going to be made, so
that whoever finds the record can undo them; whatever fails, the start undoes itself. The steps
have names (:mod:`virloom.drivers.qemu.process.steps`), and a kill at any of them leaves nothing
that the next opening of the driver does not put right.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.associated import FdGroup
from virloom.drivers.qemu.block import volumes
from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.block.missing import drop_missing
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.capabilities.host_features import resolve_cpu
from virloom.drivers.qemu.capabilities.kvm import require_usable
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.context import BuildContext, CommandLine
from virloom.drivers.qemu.command.environment import guest_environment
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.confine.hugepages import HugePages, plan_hugepages
from virloom.drivers.qemu.confine.labels import check_models
from virloom.drivers.qemu.confine.owners import ids_of_guest, show_owner
from virloom.drivers.qemu.confine.start import hand_over
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.devices.props.net import needs_host
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.firmware import choose_firmware, choose_template
from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits import groups as limits
from virloom.drivers.qemu.limits.devices import restrict_devices
from virloom.drivers.qemu.limits.start import refuse_unlimited
from virloom.drivers.qemu.limits.threads import needs_threads_first, settle_threads
from virloom.drivers.qemu.locks.guest import GuestLeases, give_all_back
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.process import channels, live, logd, resources, secrets, usage
from virloom.drivers.qemu.process.display_ports import PortChoice
from virloom.drivers.qemu.process.hooked import ask_hooks, leave_networks, tell_hooks
from virloom.drivers.qemu.process.logs import GuestLog, open_log
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.running import START_FAILED, RunningGuest
from virloom.drivers.qemu.process.steps import LOADED, reached
from virloom.drivers.qemu.process.supervise import Supervisor
from virloom.drivers.qemu.process.tpm import (
    emulated_tpm,
    outlives,
    start_tpm,
    state_directory,
)
from virloom.drivers.qemu.process.tuning import apply_tuning, refuse_unserved, wants_iothreads
from virloom.drivers.qemu.process.virtiofs import FilesystemServers
from virloom.drivers.qemu.tuning.plug import plug_at_start
from virloom.drivers.qemu.validate import validate_start
from virloom.drivers.qemu.validate.devices import check_cards_start
from virloom.drivers.qemu.validate.served import check_served
from virloom.drivers.runtime.turns import let_others
from virloom.enums.domain import (
    DomainEventID,
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    InternalError,
    OperationFailed,
    ResourceBusy,
    SystemFailure,
    VirloomError,
)
from virloom.host.files import Directory
from virloom.host.guardian import MARKER
from virloom.host.liveness import live_path, take_liveness
from virloom.host.process import Confinement, Process, SpawnRequest, start
from virloom.host.release import release
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document, holds

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.saving.restore import Incoming
    from virloom.drivers.qemu.snapshots.internal import KeptState
    from virloom.host.cgroup.group import GuestGroups

logger = logging.getLogger(__name__)

#: Seconds between the end of QEMU's monitor and its own, at most.
_EXIT_LIMIT = 2.0


class Launch:
    """One start of one guest.

    Args:
        driver: The driver.
        guest: The domain, shut off; its job is held by the caller.
        model: The tree to run, which becomes the live one; already completed and checked.
        paused: Leave the CPUs stopped.
        reset_nvram: Give the firmware fresh variables.
        incoming: The state that the guest goes on from; None boots it.
        from_snapshot: It boots because somebody has gone back to a snapshot.
        autodestroy: The guest ends with the connection that starts it.
    """

    def __init__(
        self,
        driver: QemuDriver,
        guest: Guest,
        model: Domain,
        *,
        paused: bool,
        autodestroy: bool,
        reset_nvram: bool = False,
        incoming: Incoming | KeptState | None = None,
        from_snapshot: bool = False,
    ) -> None:
        self._driver = driver
        self._guest = guest
        self._model = model
        self._paused = paused
        self._reset_nvram = reset_nvram
        self._incoming = incoming
        self._from_snapshot = from_snapshot
        self._id = driver.next_id()
        self._directory = driver.directories.guest(self._id, guest.name)
        record_path = driver.directories.record(guest.name)
        self._record = GuestRecord(record_path, guest.name, guest.uuid_text, self._id)
        self._record.autodestroy = autodestroy
        self._ports = PortChoice(driver)
        self._servers = FilesystemServers(driver, model, {MARKER: self._record.marker})
        self._ids = driver.dac.ids
        self._hugepages = HugePages({})
        self._pass_fds: list[int] = []
        self._confinement: Confinement | None = None
        self._lent = ExitStack()
        self._logd: logd.LogDaemon | None = None
        self._log: GuestLog | None = None
        self._process: Process | None = None
        self._monitor: Monitor | None = None
        self._running: RunningGuest | None = None
        self._hooked = False
        self._groups: GuestGroups | None = None

    async def run(self) -> RunningGuest:
        """Starts the guest.

        Raises:
            VirloomError: It did not start, and nothing of it is left.
        """
        try:
            if self._model.type == "kvm":
                await require_usable(self._driver.directories.cache, self._model.name)
            await self._reach_areas()
            await volumes.resolve(self._driver, self._model.devices.disks)
            choose_firmware(self._model, self._driver.directories)
            choose_template(self._model, self._driver.directories)
            check_models(self._driver, self._model)
            refuse_unserved(self._model)
            self._hugepages = plan_hugepages(self._driver, self._model, str(self._directory))
            self._plan_groups()
            caps = await self._driver.capabilities.apply(self._emulator(), self._checked)
            resolve_cpu(self._model)
            assign_aliases(self._model)
            live.prepare(self._model, str(self._directory), self._driver.config)
            await self._guest.hooks_done()  # those of its last end
            self._hooked = True
            await self._ask_hooks("prepare")
            self._driver.spawner.warm()  # it comes up meanwhile
            await let_others()
            self._drop_missing()
            with ExitStack() as opened:
                command = await self._prepare(opened, caps)
                await self._ask_hooks("start")
                await self._spawn(command, opened)
            return await self._bring_up(await self._connect(command))
        except BaseException as exc:
            died = isinstance(exc, VirloomError) and await self._has_died()
            await self._undo(told=not isinstance(exc, ResourceBusy))
            if self._hooked:
                await tell_hooks(self._driver, self._guest.name, self._model)
            words = await self._close_log(died)
            if isinstance(exc, VirloomError) and words:
                raise self._explained(exc, words) from exc
            raise
        finally:
            self._lent.close()
            self._ports.release()
            if self._logd is not None:
                await self._logd.close()

    async def _ask_hooks(self, operation: str) -> None:
        await ask_hooks(self._driver, self._guest.name, self._model, operation)

    async def _reach_areas(self) -> None:
        """Asks for the areas that the guest needs; one that is not installed is said first."""
        devices = self._model.devices
        if any(interface.type == "network" for interface in devices.interfaces):
            async with self._driver.networks.used():
                pass
        if any(interface.filterref is not None for interface in devices.interfaces):
            async with self._driver.filters.used():
                pass
        if any(disk.type == "volume" for disk in devices.disks):
            async with self._driver.areas.opened("storage"):
                pass
        if self._driver.locks is not None:
            await self._driver.locks.ready()

    def _checked(self, caps: BinaryCaps) -> BinaryCaps:
        validate_start(self._model, caps)
        check_served(self._model)
        if self._driver.locks is not None:
            self._driver.locks.check(self._model)
        check_cards_start(self._model, caps)
        return caps

    def _emulator(self) -> str:
        emulator = self._model.devices.emulator
        if not emulator:
            raise InternalError(f"domain '{self._guest.name}' has no emulator")
        return emulator

    # -- before there is a process -------------------------------------------------------------

    async def _prepare(self, opened: ExitStack, caps: BinaryCaps) -> CommandLine:
        """Makes what QEMU will find; *opened* holds our copies of its descriptors."""
        record = self._record
        lock = live_path(str(record.path))
        record.directory = str(self._directory)
        record.persistent = self._guest.persistent
        record.resources = self._resources(lock)
        record.save()
        reached("intent-recorded")
        self._make_groups()
        reached("groups-made")
        live_fd = self._take_liveness(lock, opened)
        owner = self._make_directories()
        reached("directory-made")
        await self._take_devices()
        given = resources.given_images(self._model, self._guest.fd_groups)
        chains = resources.image_chains(self._model, given)
        passphrases = await secrets.look_up(self._driver, self._model, chains)
        resources.make_nvram(self._model, fresh=self._reset_nvram)
        files = await self._open_files(chains, given, opened)
        files |= await self._connect_cards(opened)
        sockets = resources.listening_sockets(self._model, opened)
        reached("files-opened")
        grouped = self._groups is not None and self._groups.has("cpuset")
        self._confinement = await hand_over(
            self._driver, record, self._model, chains, self._ids, grouped=grouped
        )
        directory = opened.enter_context(Directory(self._directory))
        listener = opened.enter_context(directory.listen_unix(record.monitor))
        reached("monitor-listening")
        tpm_socket = await start_tpm(self._driver, self._model, opened)
        logs = {alias: (path, False) for alias, path in self._servers.logs().items()}
        self._servers.start(directory, owner, await logd.open_pipes(self._logd, logs, opened))
        self._ports.choose(self._model)
        context = self._context(listener.fileno(), directory.fileno(), tpm_socket)._replace(
            files=files,
            sockets={alias: sock.fileno() for alias, sock in sockets.items()},
            chains=chains,
            secrets=passphrases,
        )
        self._pass_fds = [live_fd, directory.fileno(), listener.fileno(), *_descriptors(context)]
        await let_others()
        command = build(self._model, caps, context)
        await let_others()
        self._pass_fds += resources.lend_secrets(
            self._directory, command.secrets, owner, self._lent
        )
        live.show_disks(self._model, command.nodes, chains)
        live.show_displays(self._model, str(self._directory))
        show_owner(self._driver, self._model, self._ids)
        return command

    def _context(self, monitor: int, directory: int, tpm_socket: int | None) -> BuildContext:
        """What the command line needs to know, but for images, sockets and secrets."""
        return BuildContext(
            guest_name=self._guest.name,
            monitor_fd=monitor,
            # By descriptor: QEMU's user may not be allowed down the path to it.
            lib_dir=f"/proc/self/fd/{directory}",
            seccomp=self._driver.config.seccomp_sandbox != 0,
            now=time.time(),
            tpm_socket=tpm_socket,
            tls_dir=str(self._driver.directories.certificates),
            incoming=self._incoming is not None and self._incoming.deferred,
            hugepages=self._hugepages.directories,
        )

    def _drop_missing(self) -> None:
        """Does without the images that are not there and need not be, and says so."""
        for gone in drop_missing(self._model, restoring=self._incoming is not None):
            self._driver.events.emit(
                DomainEventID.DISK_CHANGE,
                self._guest.ref(),
                gone.path,
                None,
                gone.alias,
                int(gone.reason),
            )

    async def _take_devices(self) -> None:
        hostdevs = self._model.devices.hostdevs
        if hostdevs:
            from virloom.drivers.qemu.hostdevs.taking import take_devices  # few guests have any

            restored = ("requisite",) if self._incoming is not None else ()
            may_miss = ("optional", *restored)
            await take_devices(self._driver, self._record, hostdevs, may_miss=may_miss)

    def _make_directories(self) -> tuple[int, int] | None:
        """The guest's own directory and those in huge pages; whose they are, if not ours."""
        self._ids = ids_of_guest(self._driver, self._model)
        owner = self._driver.owner_of(self._ids)
        resources.make_guest_directory(self._directory, owner)
        self._hugepages.make(owner)
        return owner

    async def _open_files(
        self,
        chains: Mapping[str, tuple[ImageLayer, ...]],
        given: Mapping[str, FdGroup],
        opened: ExitStack,
    ) -> dict[str, int]:
        requests = plan_files(self._model, chains)
        daemon = self._logd = await logd.choose(self._driver, self._guest)
        ports = {entry.key: (entry.path, entry.truncate) for entry in requests if entry.log}
        logged = await logd.open_pipes(daemon, ports, opened)
        others = [request for request in requests if request.key not in logged]
        reader = self._ids if self._driver.owner_of(self._ids) else None
        return logged | resources.open_files(others, opened, reader, given)

    async def _connect_cards(self, opened: ExitStack) -> dict[str, int]:
        """Ports of networks, taps, and processes of user networks."""
        cards = self._model.devices.interfaces
        if not any(map(needs_host, cards)):
            return {}
        from virloom.drivers.qemu.nics.connecting import connect  # guests may have no such card

        kvm = self._model.type == "kvm"
        return await connect(self._driver, self._guest, self._record, cards, opened, kvm=kvm)

    def _resources(self, lock: str) -> list[dict[str, Any]]:
        """What is to be released when the guest ends, whoever sees to that."""
        return [
            {"kind": "file", "path": lock},
            {
                "kind": "directory",
                "path": str(self._directory),
                "root": str(self._driver.directories.lib),
            },
            *(
                {"kind": "file", "path": path}
                for path in map(resources.listening_path, resources.chardevs(self._model))
                if path is not None
            ),
            *self._hugepages.resources(),
            *self._tpm_resources(),
            *([self._groups.resource()] if self._groups is not None else []),
        ]

    def _plan_groups(self) -> None:
        self._groups = limits.plan_groups(self._driver, self._model, self._id)
        self._refuse_unlimited()

    def _refuse_unlimited(self) -> None:
        session = not self._driver.dac.privileged
        refuse_unlimited(self._model, self._groups, session=session)

    def _make_groups(self) -> None:
        if self._groups is not None:
            self._groups = limits.make_groups(self._groups, self._model)
            self._refuse_unlimited()

    def _tpm_resources(self) -> list[dict[str, str]]:
        """The state of a TPM that nobody wants to keep: that of a guest for one run."""
        tpm = emulated_tpm(self._model)
        if tpm is None or self._guest.persistent or outlives(tpm):
            return []
        path = state_directory(self._driver, self._guest.uuid_text)
        return [{"kind": "directory", "path": str(path), "root": str(path.parent)}]

    def _take_liveness(self, path: str, opened: ExitStack) -> int:
        try:
            fd = take_liveness(path)
        except BlockingIOError as exc:
            raise OperationFailed(
                f"a process of an earlier run of domain '{self._guest.name}' is still there",
                domain=ErrorDomain.QEMU,
            ) from exc
        opened.callback(os.close, fd)
        return fd

    # -- the process ---------------------------------------------------------------------------

    async def _spawn(self, command: CommandLine, opened: ExitStack) -> None:
        log = self._log = await open_log(self._driver, self._guest, self._logd)
        environment = self._environment() | command.environment
        variables = [f"{name}={value}" for name, value in environment.items()]
        await log.starting(command.argv, variables)
        record = self._record
        if record.autodestroy:
            self._driver.expect_autodestroy(record)
        restrict_devices(self._groups, self._model)
        owner = self._driver.owner_of(self._ids)
        request = SpawnRequest(
            argv=command.argv,
            env=environment,
            stdout=log.fileno(),
            stderr=log.fileno(),
            pass_fds=self._pass_fds,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            groups=self._ids.groups if self._driver.dac.privileged else None,
            cgroups=self._groups.entrances() if self._groups is not None else (),
            confinement=self._confinement,
        )
        try:
            self._process = await start(request, self._driver.spawner)
        except SystemFailure as exc:  # it is the host's fault, not the caller's, as in libvirt
            raise InternalError(exc.message, domain=ErrorDomain.QEMU) from exc
        reached("spawned")
        record.process = self._process.identity
        record.stage = "starting"
        record.runtime |= {
            **log.started(),
            "nodes": {
                alias: {"top": nodes.top, "layers": [list(names) for names in nodes.layers]}
                for alias, nodes in command.nodes.items()
            },
            "fdsets": command.fdsets,
            "next_node": command.next_node,
            "next_fdset": command.next_fdset,
        }
        limits.note_groups(record, self._groups)
        record.save()
        if record.autodestroy:
            self._driver.adopt_autodestroy(record)
        reached("process-recorded")

    def _environment(self) -> dict[str, str]:
        """QEMU's environment: ours is none of its business."""
        common = guest_environment(self._directory, os.environ.get("PATH", os.defpath))
        return common | {"TMPDIR": str(self._directory), MARKER: self._record.marker}

    async def _connect(self, command: CommandLine) -> live.Questions:
        """Returns when QEMU answers; all questions have been asked by then."""
        patience = self._driver.patience
        limit = patience.greeting
        with Directory(self._directory) as directory:
            connection = directory.connect_unix(self._record.monitor)
        monitor = self._monitor = Monitor(
            connection, guest=self._guest.name, patience=patience.answer
        )
        fresh = self._incoming is None
        questions = live.ask(monitor, self._model, command, limit, fresh=fresh)
        await monitor.ready(limit)
        reached("monitor-connected")
        return questions

    async def _bring_up(self, questions: live.Questions) -> RunningGuest:
        """From a QEMU that answers to a guest that runs."""
        guest, record = self._guest, self._record
        assert self._process is not None
        assert self._monitor is not None
        assert self._log is not None
        answers = await live.answers_to(questions, self._monitor, self._model)
        await let_others()
        live.fill_in(self._model, self._id, answers)
        if answers.asked_cpu is not None:
            text = format_document(answers.asked_cpu, FormatFlags.STATUS)
            record.runtime["asked_cpu"] = text
        threads = await plug_at_start(self._monitor, self._model, answers.vcpu_threads)
        record.runtime["vcpu_threads"] = usage.listed(threads)
        await self._tune(threads)
        reached("configured")
        running = RunningGuest(guest, record, self._model, self._monitor, self._process, self._log)
        running.groups = self._groups
        running.leases = GuestLeases(running, self._driver.locks)
        self._running = running
        guest.id = self._id
        guest.running = running
        guest.set_state(DomainState.PAUSED, DomainPausedReason.STARTING_UP)
        Supervisor(self._driver, running).attach()
        if holds(self._model.perf):
            from virloom.drivers.qemu.tuning import counting  # few guests want it

            counting.count(running, dict.fromkeys(counting.enabled(self._model), True))
        if self._incoming is not None:
            await self._go_on(running, self._incoming)
        else:
            await self._boot(running)
        record.stage = "running"  # without a wait up to its saving: the guest may end meanwhile
        running.set_document()
        running.save()
        reached("running-recorded")
        await self._ask_hooks("started")
        return running

    async def _boot(self, running: RunningGuest) -> None:
        if not self._paused:
            running.resume_reason = DomainRunningReason.BOOTED
            await running.go_on()
        reached("started")
        self._guest.note("process", f"is started as process {running.pid}")
        started, paused = DomainEventStartedDetailType, DomainEventSuspendedDetailType
        reverted = self._from_snapshot
        self._announce(started.FROM_SNAPSHOT if reverted else started.BOOTED)
        if self._paused:
            detail = paused.FROM_SNAPSHOT if reverted else paused.PAUSED
            self._announce_pause(DomainPausedReason.USER, detail)

    async def _go_on(self, running: RunningGuest, incoming: Incoming | KeptState) -> None:
        """Loads the state, and lets the guest run if it did.

        Whoever takes it over before all is done finds the note, and finishes it.
        """
        running.loading = True
        await incoming.load(running)
        running.loading = False
        incoming.loaded(running)
        self._record.stage = "running"
        running.set_document()
        running.save()
        reached(LOADED)
        self._guest.note("process", f"is restored as process {running.pid}")
        self._announce(incoming.started)
        if incoming.resume:
            running.resume_reason = incoming.resumed
            await running.go_on()
        else:
            self._announce_pause(incoming.paused, incoming.paused_detail)
        reached("started")
        incoming.used(running)

    async def _tune(self, vcpus: Mapping[int, int]) -> None:
        """Puts the threads where the document has them, before the guest runs."""
        assert self._process is not None
        assert self._monitor is not None
        iothreads: dict[int, int] = {}
        if wants_iothreads(self._model) or (self._groups is not None and iothread_ids(self._model)):
            for item in await self._monitor.execute("query-iothreads"):
                iothreads[int(item["id"].removeprefix("iothread"))] = item["thread-id"]
        apply_tuning(self._model, self._process.identity.pid, vcpus, iothreads)
        settling = settle_threads(self._groups, vcpus, iothreads)
        if needs_threads_first(self._groups, self._model):
            await settling
        else:  # nothing is different there, and the kernel takes its time
            self._driver.background(settling, f"threads of '{self._guest.name}'")

    def _announce(self, detail: DomainEventStartedDetailType) -> None:
        if self._running is not None:
            channels.tell_start(self._driver, self._running)
        self._lifecycle(DomainEventType.STARTED, detail)

    def _announce_pause(self, reason: int, detail: DomainEventSuspendedDetailType) -> None:
        self._guest.set_state(DomainState.PAUSED, reason)
        self._lifecycle(DomainEventType.SUSPENDED, detail)

    def _lifecycle(self, event: DomainEventType, detail: int) -> None:
        self._driver.events.emit(
            DomainEventID.LIFECYCLE, self._guest.ref(), int(event), int(detail)
        )

    # -- when it fails -------------------------------------------------------------------------

    async def _undo(self, *, told: bool) -> None:
        """Leaves no process, file or socket of this start.

        Args:
            told: Clients are told of its end. Of a guest whose disk another one has, libvirt
                tells nothing.
        """
        guest = self._guest
        if self._running is not None:
            self._running.close_counters()
        if self._running is not None and guest.running is self._running:
            guest.running = None
            guest.id = -1
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)  # it has not run: nothing can be lost
            await self._process.wait()
            self._process.close()
        if self._monitor is not None:
            self._monitor.close()
        await give_all_back(self._driver.locks, self._record)
        await self._servers.kill()
        if self._record.lent:
            from virloom.drivers.qemu.hostdevs.taking import return_devices  # few guests have any

            await return_devices(self._record)
        self._driver.claims.drop(guest.name)
        failed = release(self._record.resources)
        if failed:
            logger.error("domain '%s': cannot release %s", guest.name, failed)
        else:
            self._record.delete()
        await leave_networks(self._driver, guest.name, self._model)
        if self._record.autodestroy:
            self._driver.forget_autodestroy(self._record)
        guest.set_state(DomainState.SHUTOFF, START_FAILED.reason)
        if told and self._process is not None and self._incoming is None:
            # It had begun; what is refused before makes no event, nor does a failed restore.
            self._driver.events.emit(
                DomainEventID.LIFECYCLE,
                guest.ref(),
                int(DomainEventType.STOPPED),
                int(START_FAILED.detail),
            )

    async def _has_died(self) -> bool:
        """Whether QEMU went by itself; its monitor breaks off a moment before it has ended."""
        if self._process is None or self._monitor_works():
            return False
        try:
            async with asyncio.timeout(_EXIT_LIMIT):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _monitor_works(self) -> bool:
        return self._monitor is not None and not self._monitor.closed

    async def _close_log(self, died: bool) -> str:
        """QEMU's last words, if it has died with any."""
        if self._log is None:
            return ""
        words = await self._log.last_words() if died else ""
        self._log.note("shutting down, reason=failed")
        await self._log.settled()
        self._log.close()
        return words

    def _explained(self, error: VirloomError, words: str) -> VirloomError:
        """*error* with QEMU's last words, which say why it died or refused."""
        doing = (
            "process exited while connecting to monitor" if self._running is None else error.detail
        )
        return InternalError(f"{doing}: {words}", domain=ErrorDomain.QEMU)


def _descriptors(context: BuildContext) -> list[int]:
    """What the command line names by number."""
    files = [fd for fd in context.files.values() if isinstance(fd, int)]
    tpm = [context.tpm_socket] if context.tpm_socket is not None else []
    return [*files, *context.sockets.values(), *tpm]
