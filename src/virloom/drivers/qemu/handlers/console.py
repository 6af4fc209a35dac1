# SPDX-License-Identifier: Apache-2.0
"""The ways to look at a guest and to type into it: consoles, channels, screenshots, keys."""

from __future__ import annotations

import fcntl
import os
import socket
import termios
from pathlib import Path
from typing import Any

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.monitor.commands.display import screenshot
from virloom.drivers.qemu.monitor.commands.input import send_key
from virloom.drivers.qemu.process.resources import alias_of, chardevs, source_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.stream import BytesStream, FdStream
from virloom.enums.domain import DomainConsoleFlags, KeycodeSet
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    InternalError,
    InvalidArg,
    OperationAborted,
    OperationFailed,
    OperationInvalid,
    system_failure,
)
from virloom.host.files import Directory
from virloom.model.domain import Chardev
from virloom.procedures import domain as p


class ConsoleStream(FdStream):
    """A guest's console; the next one may be opened when this one is closed."""

    def __init__(self, fd: int, running: RunningGuest, alias: str) -> None:
        super().__init__(fd)
        self._running = running
        self._alias = alias
        running.consoles[alias] = self

    def _close(self) -> None:
        if self._running.consoles.get(self._alias) is self:
            del self._running.consoles[self._alias]
        super()._close()


class Console:
    """Handlers of consoles, channels, screens and keyboards."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_OPEN_CONSOLE)
    def open_console(self, call: Call, args: p.DomainOpenConsoleArgs) -> None:
        check_flags(call, args.flags, DomainConsoleFlags.FORCE | DomainConsoleFlags.SAFE)
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        device = _console_device(running, args.dev_name)
        _attach(call, running, device, args.flags)

    @serves(p.DOMAIN_OPEN_CHANNEL)
    def open_channel(self, call: Call, args: p.DomainOpenChannelArgs) -> None:
        check_flags(call, args.flags, 1)  # VIR_DOMAIN_CHANNEL_FORCE
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        device = _channel_device(running, args.name)
        _attach(call, running, device, args.flags)

    @serves(p.DOMAIN_SCREENSHOT)
    async def screenshot(self, call: Call, args: p.DomainScreenshotArgs) -> p.DomainScreenshotRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            running = guest.require_running()
            device, head = _screen(running, args.screen)
            data, mime = await _screendump(running, device, head)
        call.attach_stream(BytesStream(data))
        return p.DomainScreenshotRet(mime)

    @serves(p.DOMAIN_SEND_KEY)
    async def send_key(self, call: Call, args: p.DomainSendKeyArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            monitor = running.require_monitor()
            codeset = _codeset(args.codeset)
            await send_key(monitor, args.keycodes, codeset, args.holdtime or None)

    @serves(p.DOMAIN_INJECT_NMI)
    async def inject_nmi(self, call: Call, args: p.DomainInjectNmiArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            await guest.require_running().execute("inject-nmi")


def _screen(running: RunningGuest, number: int) -> tuple[str, int]:
    """The card and the output of a screen; those of all cards are counted, in order.

    Raises:
        InvalidArg: The guest has no video card.
        OperationInvalid: There are not so many screens.
    """
    videos = running.model.devices.videos
    if not videos:
        raise InvalidArg("domain has no video device", domain=ErrorDomain.QEMU)
    left = number
    for video in videos:
        heads = video.model.heads or 1
        if left < heads:
            return alias_of(video), left
        left -= heads
    raise OperationInvalid("no such screen ID", domain=ErrorDomain.QEMU)


def _codeset(number: int) -> KeycodeSet:
    try:
        return KeycodeSet(number)
    except ValueError as exc:
        raise InvalidArg(f"unknown keycode set {number}", domain=ErrorDomain.QEMU) from exc


def _console_device(running: RunningGuest, name: str | None) -> Chardev:
    """The device with this alias; without a name the first console, or the first serial port."""
    devices = running.model.devices
    found = [*chardevs(running.model)]
    if name is not None:
        for device in found:
            if alias_of(device) == name:
                return device
        raise InternalError(f"cannot find character device {name}", domain=ErrorDomain.QEMU)
    for device in (*devices.serials[:1], *devices.consoles[:1]):
        return device
    raise InternalError("cannot find default console device", domain=ErrorDomain.QEMU)


def _channel_device(running: RunningGuest, name: str | None) -> Chardev:
    """The channel with this target name or alias; without a name the first."""
    for channel in running.model.devices.channels:
        if name is None or name in (channel.target.name, alias_of(channel)):
            return channel
    raise InternalError(f"cannot find channel {name or ''}".strip(), domain=ErrorDomain.QEMU)


def _attach(call: Call, running: RunningGuest, device: Chardev, flags: int) -> None:
    """Opens the device's host side as the stream of *call*; only one may be open."""
    alias = alias_of(device)
    present = running.consoles.get(alias)
    if present is not None:
        if not flags & DomainConsoleFlags.FORCE:
            raise OperationFailed(
                "Active console session exists for this domain",
                domain=ErrorDomain.QEMU,
                remedy="VIR_DOMAIN_CONSOLE_FORCE takes it over",
            )
        present.abort(OperationAborted("another client took this console over by force"))
    fd = _open_host_side(device, alias, safe=bool(flags & DomainConsoleFlags.SAFE))
    call.attach_stream(ConsoleStream(fd, running, alias))


def _open_host_side(device: Chardev, alias: str, *, safe: bool) -> int:
    source = source_of(device)
    path = source.path
    if device.type == "pty" and path:
        return _open_terminal(path, safe=safe)
    if device.type == "unix" and path:
        with Directory(Path(path).parent) as directory:
            return directory.connect_unix(Path(path).name).detach()
    if device.type == "tcp" and source.mode == "bind":
        return _connect_tcp(source.host or "127.0.0.1", source.service or "")
    raise InternalError(
        f"character device {alias} is not using a PTY or a socket but '{device.type}'",
        domain=ErrorDomain.QEMU,
    )


def _open_terminal(path: str, *, safe: bool) -> int:
    """Opens a pseudo-terminal raw, so that bytes pass as they are.

    Safe mode makes sure that nobody else has it: an advisory lock and the kernel's own.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise system_failure(f"unable to open the console '{path}'", exc) from exc
    try:
        if safe:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.ioctl(fd, termios.TIOCEXCL)
        _make_raw(fd)
    except BlockingIOError as exc:
        os.close(fd)
        raise OperationFailed(
            f"the console '{path}' is in use by another program", domain=ErrorDomain.QEMU
        ) from exc
    except BaseException:
        os.close(fd)
        raise
    return fd


def _make_raw(fd: int) -> None:
    """As cfmakeraw(3), at once: what waits in the terminal is not thrown away."""
    mode: list[Any] = termios.tcgetattr(fd)
    mode[0] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    mode[1] &= ~termios.OPOST
    mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(fd, termios.TCSANOW, mode)


def _connect_tcp(host: str, service: str) -> int:
    """Connects to QEMU on this host, which accepts at once."""
    try:
        connection = socket.create_connection((host, int(service)), timeout=1.0)
    except (OSError, ValueError) as exc:
        cause = exc if isinstance(exc, OSError) else OSError(22, str(exc))
        raise system_failure(f"unable to connect to the console '{host}:{service}'", cause) from exc
    connection.setblocking(False)
    return connection.detach()


async def _screendump(running: RunningGuest, device: str, head: int) -> tuple[bytes, str]:
    """A screen as PNG, or as PPM where this QEMU knows no other; with its MIME type."""
    monitor = running.require_monitor()
    try:
        image = await screenshot(monitor, device=device, head=head, format="png")
        mime = "image/png"
    except QmpError:
        image = await screenshot(monitor, device=device, head=head)
        mime = "image/x-portable-pixmap"
    with image:
        return image.read(), mime
