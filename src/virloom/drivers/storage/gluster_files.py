# SPDX-License-Identifier: Apache-2.0
"""Run as a program: looks at the files of a Gluster volume and removes them, by libgfapi.

A program of its own, because a server is not trusted: whatever its answers do to the library, and
however long they take, they do it here. Nothing is mounted.

Reads JSON from its standard input: ``host``, ``port`` (0: Gluster's own), ``volume``, ``address``
(its, for messages), ``directory`` (absolute, in the volume), and ``do``: ``list``, ``measure`` or
``remove``, the last with a ``name`` and whether it is a ``folder``. Prints JSON: of ``measure``,
``[bytes, free ones]``; of ``list``, for each file and directory, ``name``, what stat(2) tells and,
of a file, its ``head``: base64 of its compressed first bytes, as far as formats are told by them.
Exit status 1: it did not go well, and it prints ``[errno, words]`` instead.

Standard library only. Calls are those of Gluster's ``api/glfs.h``, layouts glibc's.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

_HEAD = 65536
#: Of formats without names of other images that much is enough, and the place of a CD's mark.
_SHORT, _CD, _MARK = 1024, 32768, 16
_NAMING = (b"QFI\xfb", b"QED\0")
_WORD = c_uint64
_TIMES = [
    (f"{which}_{part}", c_int64) for which in ("atime", "mtime", "ctime") for part in ("s", "ns")
]


class _Stat(ctypes.Structure):
    """``struct stat`` of x86-64."""

    _fields_ = [
        ("dev", _WORD), ("ino", _WORD), ("links", _WORD), ("mode", c_uint32), ("uid", c_uint32),
        ("gid", c_uint32), ("pad", c_uint32), ("rdev", _WORD), ("size", c_int64),
        ("block", c_int64), ("blocks", c_int64), *_TIMES, ("rest", _WORD * 3),
    ]  # fmt: skip


class _GenericStat(ctypes.Structure):
    """``struct stat`` of the other machines of 64 bits: Linux's generic one."""

    _fields_ = [
        ("dev", _WORD), ("ino", _WORD), ("mode", c_uint32), ("links", c_uint32),
        ("uid", c_uint32), ("gid", c_uint32), ("rdev", _WORD), ("pad", _WORD), ("size", c_int64),
        ("block", c_uint32), ("pad2", c_uint32), ("blocks", c_int64), *_TIMES, ("rest", _WORD),
    ]  # fmt: skip


class _Room(ctypes.Structure):
    """``struct statvfs``."""

    _fields_ = [
        ("block", _WORD), ("unit", _WORD), ("blocks", _WORD), ("free", _WORD), ("rest", _WORD * 12),
    ]  # fmt: skip


class _Entry(ctypes.Structure):
    """``struct dirent``."""

    _fields_ = [
        ("ino", _WORD), ("off", c_int64), ("length", ctypes.c_ushort), ("type", ctypes.c_ubyte),
        ("name", c_char * 256), ("rest", c_char * 256),
    ]  # fmt: skip


#: Machines and their ``struct stat``.
_STATS: dict[str, type[Any]] = {
    "x86_64": _Stat, "aarch64": _GenericStat, "riscv64": _GenericStat, "loongarch64": _GenericStat,
}  # fmt: skip

#: What each function takes and gives.
_CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "glfs_new": (c_void_p, (c_char_p,)),
    "glfs_set_volfile_server": (c_int, (c_void_p, c_char_p, c_char_p, c_int)),
    "glfs_set_logging": (c_int, (c_void_p, c_char_p, c_int)),
    "glfs_init": (c_int, (c_void_p,)),
    "glfs_statvfs": (c_int, (c_void_p, c_char_p, c_void_p)),
    "glfs_stat": (c_int, (c_void_p, c_char_p, c_void_p)),
    "glfs_opendir": (c_void_p, (c_void_p, c_char_p)),
    "glfs_readdir_r": (c_int, (c_void_p, POINTER(_Entry), POINTER(POINTER(_Entry)))),
    "glfs_open": (c_void_p, (c_void_p, c_char_p, c_int)),
    "glfs_read": (ctypes.c_ssize_t, (c_void_p, c_void_p, ctypes.c_size_t, c_int)),
    "glfs_close": (c_int, (c_void_p,)),
    "glfs_unlink": (c_int, (c_void_p, c_char_p)),
    "glfs_rmdir": (c_int, (c_void_p, c_char_p)),
}


class Failed(Exception):
    """The server does not do as it is asked."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def load() -> Any:
    """The library, with the signatures of what is used of it.

    Raises:
        Failed: It is not installed, or this machine's layouts are not known.
    """
    if os.uname().machine not in _STATS:
        raise Failed(errno.ENOSYS, "libgfapi is not spoken to on this machine")
    try:
        library = ctypes.CDLL("libgfapi.so.0", use_errno=True)
    except OSError as exc:
        raise Failed(errno.ELIBACC, f"libgfapi is not installed: {exc}") from exc
    for name, (result, arguments) in _CALLS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _failed(words: str) -> Failed:
    return Failed(ctypes.get_errno() or errno.EIO, words)


class Files:
    """The files of a directory of a volume; the connection ends with the process.

    Args:
        asked: What the program has read.

    Raises:
        Failed: There is no such volume or directory, or the server does not answer.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._calls = calls = load()
        self._stat = _STATS[os.uname().machine]
        self._directory, volume = asked["directory"], asked["volume"]
        words = f"failed to connect to {asked['address']}"
        self._volume = calls.glfs_new(os.fsencode(volume))
        if not self._volume:
            raise _failed(words)
        server = os.fsencode(asked["host"])
        if (
            calls.glfs_set_logging(self._volume, b"/dev/null", 0) < 0
            or calls.glfs_set_volfile_server(self._volume, b"tcp", server, asked["port"]) < 0
            or calls.glfs_init(self._volume) < 0
        ):
            raise _failed(words)
        self._opened = calls.glfs_opendir(self._volume, os.fsencode(self._directory))
        if not self._opened:
            raise _failed(f"failed to change to directory '{self._directory}' in '{volume}'")

    def measure(self) -> list[int]:
        """Bytes of the volume, and its free ones."""
        room = _Room()
        if self._calls.glfs_statvfs(self._volume, os.fsencode(self._directory), byref(room)) < 0:
            raise _failed(f"cannot statvfs path '{self._directory}'")
        return [room.unit * room.blocks, room.unit * room.free]

    def all(self) -> Iterator[dict[str, Any]]:
        """All files and directories; what goes away meanwhile or is closed to us is left out."""
        entry, found = _Entry(), POINTER(_Entry)()
        while True:
            if self._calls.glfs_readdir_r(self._opened, byref(entry), byref(found)):
                raise _failed(f"failed to read directory '{self._directory}'")
            if not found:
                return
            name = os.fsdecode(entry.name)
            if name not in (".", "..") and (seen := self._look(name)) is not None:
                yield seen

    def _look(self, name: str) -> dict[str, Any] | None:
        path, status = os.fsencode(os.path.join(self._directory, name)), self._stat()
        if self._calls.glfs_stat(self._volume, path, byref(status)) < 0:
            return None
        seen = {"name": name, "mode": status.mode, "uid": status.uid, "gid": status.gid}
        seen |= {"size": status.size, "blocks": status.blocks}
        for which in ("atime", "mtime", "ctime"):
            seconds, rest = (getattr(status, f"{which}_{part}") for part in ("s", "ns"))
            seen[which] = seconds * 10**9 + rest
        if stat.S_ISDIR(status.mode):
            return seen
        head = self._head(path) if stat.S_ISREG(status.mode) else None
        if head is None:
            return None
        return seen | {"head": base64.b64encode(zlib.compress(shortened(head))).decode()}

    def _head(self, path: bytes) -> bytes | None:
        file = self._calls.glfs_open(self._volume, path, os.O_RDONLY | os.O_NONBLOCK)
        if not file:
            return None
        buffer = ctypes.create_string_buffer(_HEAD)
        got = self._calls.glfs_read(file, buffer, _HEAD, 0)
        self._calls.glfs_close(file)
        return None if got < 0 else buffer.raw[:got]

    def remove(self, name: str, *, folder: bool) -> None:
        """Removes a file or an empty directory; one that is gone already is no error."""
        path = os.path.join(self._directory, name)
        function = self._calls.glfs_rmdir if folder else self._calls.glfs_unlink
        if function(self._volume, os.fsencode(path)) < 0 and ctypes.get_errno() != errno.ENOENT:
            raise _failed(f"cannot remove {'directory' if folder else 'file'} '{path}'")


def shortened(head: bytes) -> bytes:
    """What of a file's first bytes tells its format; a raw image's are the guest's."""
    if head.startswith(_NAMING) or len(head) <= _CD:
        return head if head.startswith(_NAMING) else head[:_SHORT]
    return head[:_SHORT] + bytes(_CD - _SHORT) + head[_CD : _CD + _MARK]


def _answer(asked: dict[str, Any]) -> Any:
    files = Files(asked)
    if asked["do"] == "measure":
        return files.measure()
    if asked["do"] == "list":
        return list(files.all())
    return files.remove(asked["name"], folder=asked["folder"])


def main() -> int:
    """The program."""
    asked = json.load(sys.stdin)
    try:
        print(json.dumps(_answer(asked)))
    except Failed as exc:
        print(json.dumps([exc.code, str(exc)]))
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # The library's threads go on; an orderly end would wait for servers that are away.
    os._exit(status)
