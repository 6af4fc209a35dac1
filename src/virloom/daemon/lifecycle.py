# SPDX-License-Identifier: Apache-2.0
"""A daemon's life on its event loop: opened, served, reloaded, idle, ended."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.daemon import proxy_user
from virloom.daemon.administration import Administration
from virloom.daemon.authentication import Authentication, choose
from virloom.daemon.config import DaemonConfig, NetworkConfig
from virloom.daemon.control import DaemonControl, LoggingState
from virloom.daemon.handover import handed_over
from virloom.daemon.memory import end_if_out_of_memory
from virloom.daemon.notify import notify, prepare
from virloom.daemon.places import Places
from virloom.daemon.proxy_user import ProxyUser
from virloom.daemon.renewal import Renewal
from virloom.daemon.server import Server
from virloom.daemon.service import Service
from virloom.daemon.sockets import Listening, activated, own, release
from virloom.daemon.spec import DaemonSpec
from virloom.errors import VirloomError
from virloom.host.files import ensure_directory

if TYPE_CHECKING:
    from virloom.daemon.network import TlsGate

logger = getLogger(__name__)

#: Seconds after which a daemon loads what it did not need for its first answer.
_WARM_UP = 1.0


class _Idle:
    """Ends a daemon that nobody needs: no client, and nothing that runs.

    A guest that ends makes no noise here, so whether something runs is looked at when the time
    is up, and another time is waited for if so.
    """

    def __init__(self, seconds: int, service: Service, done: asyncio.Event) -> None:
        self._seconds = seconds
        self._service = service
        self._done = done
        self._clients = 0
        self._timer: asyncio.TimerHandle | None = None

    def change(self, seconds: int) -> None:
        """Sets the time anew; 0: it never ends for that."""
        self._seconds = seconds
        self.look(self._clients)

    def look(self, clients: int) -> None:
        """Starts or stops the time after a change of the number of clients."""
        self._clients = clients
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds and not clients:
            self._arm()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expired)

    def _expired(self) -> None:
        if self._service.busy():
            self._arm()
        else:
            logger.info("nobody needs this daemon: it ends")
            self._done.set()

    def stop(self) -> None:
        """Forgets about it."""
        if self._timer is not None:
            self._timer.cancel()


async def serve(
    spec: DaemonSpec,
    places: Places,
    config: DaemonConfig,
    *,
    timeout: int,
    ready: Any,
    logging: LoggingState,
    network: bool = False,
) -> dict[str, int] | None:
    """Runs the daemon until SIGTERM, SIGINT, or *timeout* seconds without use (0: never).

    Args:
        ready: Called when clients can connect.
        logging: What is logged, for who changes it.
        network: Serve the network as well.

    Returns:
        After SIGUSR1, what the next process of it is to have: the caller executes it.

    Raises:
        VirloomError: The driver or a socket cannot be opened.
    """
    gc.disable()  # until all is loaded
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_failed)
    done = asyncio.Event()
    directory = Path(config.unix_sock_dir) if config.unix_sock_dir else places.run
    ensure_directory(directory, 0o700 if places.session else 0o755)
    authentication = choose(config, places)
    proxy = _proxy_user(spec, config, places)
    sockets, others = activated(spec, handed_over(), directory)
    service = await _open(spec, places, config, others)
    await _hook(places, "-", "start", "-", "start")
    server = Server(service, config.limits(), proxy.uid if proxy is not None else None)
    idle = _Idle(timeout, service, done)
    gates: list[TlsGate] = []
    control = DaemonControl(spec.name, done, idle.change, logging, gates)
    servers = {spec.name: server}
    admin = servers["admin"] = Server(Administration(servers, control), config.limits())
    renewal = Renewal(done)
    try:
        sockets = sockets or renewal.kept(spec, own(spec, config, authentication, directory, proxy))
        _listen_to(sockets, server, admin, authentication)
        if network and isinstance(config, NetworkConfig):
            gates += _listen(server, config, places)
        server.on_idle_change = lambda: idle.look(server.clients)
        renewal.expect(spec, loop)
        drop = partial(_drop_rights, proxy, authentication) if spec.relays_all else None
        await _serve(service, places, idle, done, partial(_ready, ready, drop), loop)
    finally:
        service.ending()
        passed_on = renewal.descriptors(spec, service, sockets)
        await server.close()
        await admin.close()
        if passed_on is None:
            release(sockets)
        await _hook(places, "-", "shutdown", "-", "shutdown")
        await service.close()
    return passed_on


def _listen_to(
    sockets: list[Listening], server: Server, admin: Server, authentication: Authentication
) -> None:
    for entry in sockets:
        polkit = authentication.of(readonly=entry.readonly) if not entry.admin else None
        chosen = admin if entry.admin else server
        chosen.listen(entry.socket, readonly=entry.readonly, polkit=polkit)


async def _open(
    spec: DaemonSpec, places: Places, config: DaemonConfig, descriptors: dict[str, int]
) -> Service:
    service = await spec.open(places)
    service.configure(config)
    service.adopt(descriptors)
    return service


def _proxy_user(spec: DaemonSpec, config: DaemonConfig, places: Places) -> ProxyUser | None:
    """Whom virtproxyd is, of a host whose daemons are root's.

    None: nobody but root itself, or it has nothing to do here, as with virtlogd.
    """
    if places.session or os.geteuid() != 0 or not (spec.is_relayed_to or spec.relays_all):
        return None
    return proxy_user.find(config.proxy_user)


def _ready(ready: Callable[[], None], drop: Callable[[], None] | None) -> None:
    """What only root may do at last; then no client has been served by root."""
    prepare()
    ready()
    if drop is not None:
        drop()


def _drop_rights(user: ProxyUser | None, authentication: Authentication) -> None:
    if os.geteuid() != 0:
        return
    if user is None:
        logger.warning("there is no user '%s': this daemon stays root", proxy_user.DEFAULT)
    elif authentication.write is not None or authentication.read is not None:
        logger.warning("polkit answers root only: this daemon stays root")
    else:
        proxy_user.become(user)


async def _hook(places: Places, *words: str) -> None:
    """Tells the host's administrator, where there is a script for it (``hooks/daemon``)."""
    directory = places.settings / "hooks"
    if not places.session and directory.is_dir():
        from virloom.drivers.runtime.hooks import Hooks  # few hosts have any

        await Hooks(directory, "daemon").try_run(*words)


def _listen(server: Server, config: NetworkConfig, places: Places) -> list[TlsGate]:
    from virloom.daemon.network import listen  # addresses and names, for the few who need them

    made = listen(config, places.prefix or Path("/"))
    for entry in made:
        server.listen(entry.socket, readonly=False, secure=entry.secure)
    return list({id(entry.secure): entry.secure for entry in made if entry.secure}.values())


async def _serve(
    service: Service,
    places: Places,
    idle: _Idle,
    done: asyncio.Event,
    ready: Any,
    loop: asyncio.AbstractEventLoop,
) -> None:
    reloads: set[asyncio.Task[None]] = set()  # a task that nobody has may vanish

    def reload() -> None:
        task = asyncio.ensure_future(_reload(service, places))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    idle.look(0)
    ready()
    notify("READY=1")
    warm_up = loop.call_later(_WARM_UP, _warm_up, service)
    try:
        await done.wait()
        notify("STOPPING=1")
    finally:
        warm_up.cancel()
        gc.enable()
        idle.stop()


#: Thresholds of the collector: the figures of a thousand domains are 100,000 objects without a
#: circle, for which Python's own thresholds (700, 10, 10) would look at everything.
_COLLECT = (20_000, 20, 20)


def _warm_up(service: Service) -> None:
    service.warm_up()
    # What is loaded by now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    gc.enable()


async def _reload(service: Service, places: Places) -> None:
    notify("RELOADING=1")
    await _hook(places, "-", "reload", "begin", "SIGHUP")
    try:
        service.reload()
    except VirloomError as exc:
        logger.error("cannot read the documents again: %s", exc)
    notify("READY=1")


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    end_if_out_of_memory(context.get("exception"))
    loop.default_exception_handler(context)
