# SPDX-License-Identifier: Apache-2.0
"""How one sits before a guest: consoles, the screen, keys; and its QEMU's monitor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from virloom.client.domain.console import Console, OpeningConsole
from virloom.client.domain.facet import Facet
from virloom.client.domain.results import Screenshot
from virloom.client.stream import Stream
from virloom.enums.domain import DomainChannelFlags, DomainConsoleFlags, KeycodeSet
from virloom.enums.qemu import DomainQemuMonitorCommandFlags
from virloom.errors import InternalError
from virloom.procedures import domain as p
from virloom.procedures import qemu as q


class Screen(Facet):
    """The part of a domain that a person at the machine would use."""

    async def open_console(self, device: str | None = None, flags: int = 0) -> Console:
        """Opens a console; the caller closes it (see :meth:`console`).

        Args:
            device: The device's alias, such as ``serial0``; None for the first console.
            flags: :class:`~virloom.enums.domain.DomainConsoleFlags`.

        Raises:
            OperationFailed: Somebody else has it open, and FORCE was not given.
        """
        args = p.DomainOpenConsoleArgs(self._dom, device, flags)
        _, end = await self._link.open_stream(p.DOMAIN_OPEN_CONSOLE, args)
        return Console(end)

    def console(
        self, device: str | None = None, *, force: bool = False, safe: bool = False
    ) -> OpeningConsole:
        """``async with dom.console() as console:``, closed at the block's end.

        Args:
            device: The device's alias; None for the first console.
            force: Takes the console over from whoever has it open.
            safe: Only when the host makes sure that nobody else can have it open.
        """
        flags = DomainConsoleFlags(0)
        if force:
            flags |= DomainConsoleFlags.FORCE
        if safe:
            flags |= DomainConsoleFlags.SAFE
        return OpeningConsole(lambda: self.open_console(device, flags))

    async def open_channel(self, name: str | None = None, *, force: bool = False) -> Stream:
        """Opens a channel by its alias or target name; the caller closes it."""
        args = p.DomainOpenChannelArgs(self._dom, name, DomainChannelFlags.FORCE if force else 0)
        _, end = await self._link.open_stream(p.DOMAIN_OPEN_CHANNEL, args)
        return Stream(end)

    async def screenshot(self, screen: int = 0) -> Screenshot:
        """A picture of a screen."""
        args = p.DomainScreenshotArgs(self._dom, screen)
        ret, end = await self._link.open_stream(p.DOMAIN_SCREENSHOT, args)
        async with Stream(end) as stream:
            return Screenshot(ret.mime, await stream.read_all())

    async def send_key(
        self, keys: Sequence[int], *, codeset: int = KeycodeSet.LINUX, hold_ms: int = 0
    ) -> None:
        """Presses *keys* together, holds them for *hold_ms* milliseconds, and lets go."""
        args = p.DomainSendKeyArgs(self._dom, codeset, hold_ms, list(keys))
        await self._link.call(p.DOMAIN_SEND_KEY, args)

    async def reload_graphics(self, type: int = 0, flags: int = 0) -> None:
        """Has the guest's graphics read their certificates anew.

        Args:
            type: 0 for all that it has, 1 for VNC.
            flags: None are known.
        """
        args = p.DomainGraphicsReloadArgs(self._dom, type, flags)
        await self._link.call(p.DOMAIN_GRAPHICS_RELOAD, args)

    async def open_graphics(self, fd: int, screen: int = 0, flags: int = 0) -> None:
        """Has the guest's graphics serve a connected socket, of which it gets a copy.

        Args:
            fd: One end of a pair of UNIX sockets, say.
            screen: Which of several graphics devices.
            flags: :class:`~virloom.enums.domain.DomainOpenGraphicsFlags`.
        """
        args = p.DomainOpenGraphicsArgs(self._dom, screen, flags)
        _, got = await self._link.call_with_fds(p.DOMAIN_OPEN_GRAPHICS, args, [fd])
        got.close()

    async def open_graphics_fd(self, screen: int = 0, flags: int = 0) -> int:
        """A socket that is connected to the guest's graphics, which the caller closes."""
        args = p.DomainOpenGraphicsFdArgs(self._dom, screen, flags)
        _, got = await self._link.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, args)
        with got:
            if len(got) != 1:
                raise InternalError(f"one descriptor was to come, and {len(got)} came")
            return got.release()[0]

    async def send_process_signal(self, pid: int, signal: int, flags: int = 0) -> None:
        """Sends a signal to a process inside the guest (containers)."""
        args = p.DomainSendProcessSignalArgs(self._dom, pid, signal, flags)
        await self._link.call(p.DOMAIN_SEND_PROCESS_SIGNAL, args)

    async def monitor_command(self, command: str | Mapping[str, Any], *, hmp: bool = False) -> str:
        """Runs a command of QEMU's own monitor, and returns the answer's text.

        The guest counts as tainted from then on.

        Args:
            command: A QMP command as a mapping or as JSON text, or a human one with *hmp*.
            hmp: It is a command of the human monitor.
        """
        text = command if isinstance(command, str) else json.dumps(command)
        flags = DomainQemuMonitorCommandFlags.HMP if hmp else 0
        args = q.QemuDomainMonitorCommandArgs(self._dom, text, flags)
        return (await self._link.call(q.DOMAIN_MONITOR_COMMAND, args)).result

    async def monitor_command_with_files(
        self, command: str, files: Sequence[int] = (), flags: int = 0
    ) -> tuple[str, list[int]]:
        """The same with descriptors in both directions.

        Args:
            command: The command's text.
            files: Copies of these go to QEMU.
            flags: :class:`~virloom.enums.qemu.DomainQemuMonitorCommandFlags`.

        Returns:
            The answer's text, and descriptors that came with it, which the caller closes.
        """
        args = q.QemuDomainMonitorCommandWithFilesArgs(self._dom, command, flags)
        call = self._link.call_with_fds
        ret, got = await call(q.DOMAIN_MONITOR_COMMAND_WITH_FILES, args, files)
        return ret.result, got.release()
