# SPDX-License-Identifier: Apache-2.0
"""How the stream of a saved guest is packed, and the programs between QEMU and the file."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import ExitStack

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, SystemFailure
from virloom.host.process import Process, SpawnRequest, start

#: Names of qemu.conf by the number in the file.
FORMATS = ("raw", "gzip", "bzip2", "xz", "lzop")

#: Past the host's cache, whole blocks at a time; ``dd`` writes a last short one through it.
_WRITE_DIRECT = ("dd", "bs=1M", "iflag=fullblock", "oflag=direct", "status=none")
_READ_DIRECT = ("dd", "bs=1M", "iflag=direct", "status=none")
_READ_UNCACHED = ("dd", "bs=1M", "iflag=nocache", "status=none")
_PAGE = 4096


def packing_number(name: str, use: str = "save") -> int:
    """The number of a format that ``save_image_format`` or ``dump_image_format`` names.

    Raises:
        OperationFailed: There is no such format, or its program is not installed.
    """
    if name not in FORMATS:
        raise OperationFailed(
            f"Invalid {use} image format specified in configuration file", domain=ErrorDomain.QEMU
        )
    if name != "raw" and shutil.which(name) is None:
        raise OperationFailed(
            f"Compression program for {use} image format in configuration file isn't available",
            domain=ErrorDomain.QEMU,
            remedy=f"install {name}",
        )
    return FORMATS.index(name)


def writers(packing: int, bypass_cache: bool) -> list[Sequence[str]]:
    """The programs that a stream passes on its way to the file."""
    programs: list[Sequence[str]] = [(FORMATS[packing], "-c")] if packing else []
    return [*programs, _WRITE_DIRECT] if bypass_cache else programs


def readers(packing: int, bypass_cache: bool, offset: int) -> list[Sequence[str]]:
    """The programs that a stream passes on its way from the file.

    Raises:
        OperationFailed: Nobody knows how it is packed.
    """
    if packing >= len(FORMATS):
        raise OperationFailed(f"Invalid compressed save format {packing}", domain=ErrorDomain.QEMU)
    direct = _READ_UNCACHED if offset % _PAGE else _READ_DIRECT
    programs: list[Sequence[str]] = [direct] if bypass_cache else []
    return [*programs, (FORMATS[packing], "-dc")] if packing else programs


class Pipeline:
    """Programs one behind the other, between QEMU and a file.

    Args:
        programs: None of them may stand between: then QEMU has the file itself.
        file: The file, open at the place where the stream begins; the caller's.
        writing: Whether QEMU writes.
    """

    def __init__(self, programs: Sequence[Sequence[str]], file: int, *, writing: bool) -> None:
        self._programs = programs
        self._file = file
        self._writing = writing
        self._running: list[Process] = []
        self._open = ExitStack()
        self.end = file

    async def start(self) -> int:
        """Starts the programs; returns the descriptor for QEMU, which is ours to close.

        Raises:
            SystemFailure: One cannot be started.
        """
        order = reversed(self._programs) if self._writing else self._programs
        for program in order:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            outer, inner = (writer, reader) if self._writing else (reader, writer)
            self._open.callback(os.close, outer)
            source, sink = (inner, self.end) if self._writing else (self.end, inner)
            try:
                self._running.append(
                    await start(SpawnRequest(argv=program, stdin=source, stdout=sink))
                )
            finally:
                os.close(inner)
            self.end = outer
        return self.end

    def handed_over(self) -> None:
        """QEMU has its descriptor: ours would keep the programs from seeing the end."""
        self._open.close()

    async def finished(self) -> None:
        """Returns when all programs are done.

        Raises:
            SystemFailure: One has failed.
        """
        for program, process in zip(self._programs, self._in_order(), strict=True):
            code = await process.wait()
            if code:
                raise SystemFailure(
                    f"'{program[0]}' has failed with code {code}", domain=ErrorDomain.QEMU
                )

    def _in_order(self) -> list[Process]:
        return self._running[::-1] if self._writing else self._running

    def kill(self) -> None:
        """Ends the programs: who writes to them is not kept waiting any longer."""
        for process in self._running:
            process.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """Ends what is still there."""
        self._open.close()
        self.kill()
        for process in self._running:
            await process.wait()
            process.close()
        self._running.clear()
