# SPDX-License-Identifier: Apache-2.0
"""Run as a program: lists or clears units of an iSCSI target, by libiscsi, without the kernel.

iscsi-ls(1) would not do: it logs in to all targets of a server, and ends at the first that does
not let it in. A program of its own, because a server is not trusted: whatever its answers do to the
library, they do it here.

Reads JSON from its standard input: ``initiator``, ``portal``, ``target``, and ``user`` and
``password`` (base64) where the target asks for them. Prints JSON: a list of ``[unit, blocks, bytes
of one]``, disks alone; where it has read a ``clear``, a unit, it overwrites that with zeros. Exit
status 1: it did not go well, standard error says why.

Standard library only. Calls, numbers and layouts are those of libiscsi's ``iscsi.h`` and
``scsi-lowlevel.h``, of its interface 7 and later; types of devices: SPC-4, table 144.
"""

from __future__ import annotations

import base64
import ctypes
import json
import sys
from ctypes import POINTER, c_char_p, c_int, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

_LIBRARIES = ("libiscsi.so.7", "libiscsi.so.8", "libiscsi.so.9", "libiscsi.so")
#: Seconds for an answer.
_PATIENCE = 10
_NORMAL, _DISK, _GOOD, _CHECK = 2, 0, 0, 2
#: A unit says "check" as often as it has something to tell, and then does as it is asked.
_TRIES = 4
_INQUIRY_LENGTH, _ALL_UNITS = 64, 16
#: Bytes that are written at once.
_STEP = 1 << 20


class _Task(ctypes.Structure):
    _fields_ = [("status", c_int)]  # the first of many


class _Units(ctypes.Structure):
    _fields_ = [("count", c_uint32)]  # and behind it that many numbers of 16 bits


class _Inquiry(ctypes.Structure):
    _fields_ = [("qualifier", c_int), ("kind", c_int)]  # the first of many


class _Capacity(ctypes.Structure):
    _fields_ = [("last", c_uint64), ("block", c_uint32)]  # the first of many


_TaskPointer = POINTER(_Task)
#: What each function gives and takes.
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "iscsi_create_context": (c_void_p, c_char_p),
    "iscsi_set_initiator_username_pwd": (c_int, c_void_p, c_char_p, c_char_p),
    "iscsi_set_targetname": (c_int, c_void_p, c_char_p),
    "iscsi_set_session_type": (c_int, c_void_p, c_int),
    "iscsi_set_timeout": (c_int, c_void_p, c_int),
    "iscsi_set_noautoreconnect": (None, c_void_p, c_int),
    "iscsi_full_connect_sync": (c_int, c_void_p, c_char_p, c_int),
    "iscsi_get_error": (c_char_p, c_void_p),
    "iscsi_reportluns_sync": (_TaskPointer, c_void_p, c_int, c_int),
    "iscsi_inquiry_sync": (_TaskPointer, c_void_p, c_int, c_int, c_int, c_int),
    "iscsi_readcapacity16_sync": (_TaskPointer, c_void_p, c_int),
    "iscsi_write16_sync": (
        _TaskPointer, c_void_p, c_int, c_uint64, c_char_p, c_uint32, c_int, *[c_int] * 5,
    ),
    "iscsi_synchronizecache16_sync": (
        _TaskPointer, c_void_p, c_int, c_uint64, c_uint32, c_int, c_int,
    ),
    "iscsi_logout_sync": (c_int, c_void_p),
    "scsi_free_scsi_task": (None, _TaskPointer),
    "scsi_datain_getfullsize": (c_int, _TaskPointer),
    "scsi_datain_unmarshall": (c_void_p, _TaskPointer),
}  # fmt: skip


class Failed(Exception):
    """The target does not do as it is asked; the words are libiscsi's."""


def load() -> Any:
    """The library, with the signatures of what is used of it.

    Raises:
        Failed: It is not installed.
    """
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise Failed("libiscsi is not installed")
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Target:
    """A session with a target; it ends with the process.

    Args:
        library: From :func:`load`.
        asked: What the program has read.

    Raises:
        Failed: There is no such target, or it does not let us in.
    """

    def __init__(self, library: Any, asked: dict[str, str]) -> None:
        self._library = library
        self._context = library.iscsi_create_context(asked["initiator"].encode())
        if not self._context:
            raise Failed("libiscsi does not begin")
        library.iscsi_set_timeout(self._context, _PATIENCE)
        library.iscsi_set_noautoreconnect(self._context, 1)
        library.iscsi_set_session_type(self._context, _NORMAL)
        self._must(library.iscsi_set_targetname(self._context, asked["target"].encode()))
        if "user" in asked:
            password = base64.b64decode(asked["password"])
            login = (asked["user"].encode(), password)
            self._must(library.iscsi_set_initiator_username_pwd(self._context, *login))
        self._must(library.iscsi_full_connect_sync(self._context, asked["portal"].encode(), -1))

    def _must(self, code: int) -> None:
        if code != 0:
            raise self._failed()

    def _failed(self) -> Failed:
        said = self._library.iscsi_get_error(self._context) or b""
        return Failed(said.decode(errors="replace").strip() or "the target does not answer")

    def _ask(self, function: str, *arguments: int | bytes) -> Any:
        """The task of a command that was carried out."""
        for _ in range(_TRIES):
            task = getattr(self._library, function)(self._context, *arguments)
            if not task or task.contents.status not in (_GOOD, _CHECK):
                raise self._failed()
            if task.contents.status == _GOOD:
                return task
        raise self._failed()

    def _read(self, task: Any, kind: Any) -> Any:
        address = self._library.scsi_datain_unmarshall(task)
        if not address:
            raise self._failed()
        return kind.from_address(address)

    def units(self) -> list[int]:
        """The numbers of its units."""
        task = self._ask("iscsi_reportluns_sync", 0, _ALL_UNITS)
        size = self._library.scsi_datain_getfullsize(task)
        if size > _ALL_UNITS:
            task = self._ask("iscsi_reportluns_sync", 0, size)
        found = self._read(task, _Units)
        first = ctypes.addressof(found) + ctypes.sizeof(c_uint32)
        return list((c_uint16 * found.count).from_address(first))

    def is_disk(self, unit: int) -> bool:
        """Whether a unit is storage, of which blocks are read."""
        task = self._ask("iscsi_inquiry_sync", unit, 0, 0, _INQUIRY_LENGTH)
        return bool(self._read(task, _Inquiry).kind == _DISK)

    def size(self, unit: int) -> tuple[int, int]:
        """How many blocks a unit has, and the bytes of one."""
        found = self._read(self._ask("iscsi_readcapacity16_sync", unit), _Capacity)
        return found.last + 1, found.block

    def clear(self, unit: int) -> None:
        """Overwrites a unit with zeros."""
        blocks, block = self.size(unit)
        most = max(1, _STEP // block)
        for first in range(0, blocks, most):
            data = bytes(min(most, blocks - first) * block)
            task = self._ask("iscsi_write16_sync", unit, first, data, len(data), block, *[0] * 5)
            self._library.scsi_free_scsi_task(task)
        self._ask("iscsi_synchronizecache16_sync", unit, 0, 0, 0, 0)

    def leave(self) -> None:
        """Logs out; whoever does not answer to that does not matter."""
        self._library.iscsi_logout_sync(self._context)


def main() -> int:
    """The program."""
    try:
        asked = json.load(sys.stdin)
        target = Target(load(), asked)
        if "clear" in asked:
            target.clear(asked["clear"])
        else:
            disks = [unit for unit in target.units() if target.is_disk(unit)]
            print(json.dumps([[unit, *target.size(unit)] for unit in disks]))
        target.leave()
    except Failed as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
