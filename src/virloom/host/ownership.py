# SPDX-License-Identifier: Apache-2.0
"""Change the owner of a file for a guest, and give it back exactly once, over any crash.

Who holds a file is a set of tokens, one per guest, kept with the file; the first taker's memory
is the owner that the last one gives back. Every step may be cut off by a crash and repeated:

* take: add the token, then remember the owner (if nobody has), then chown;
* restore: as long as others hold it, take the token out; the last one chowns back, forgets the
  owner, then takes its token out. A token that is not in the set has nothing to give back.

Where the file system keeps ``trusted.*`` attributes, memory is what libvirt keeps, by its names
(``trusted.libvirt.security.dac``, ``ref_dac``, ``timestamp_dac``), so that each respects and
restores what the other took; the tokens, with the owner once more and the boot, lie beside it.
Elsewhere it is a file of a state directory.

Changing owners needs root. Standard library only: the guardian process loads this module too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from virloom.host.identity import boot_id

_LIBVIRT = "trusted.libvirt.security."
_OWNER, _COUNT, _TIMESTAMP = _LIBVIRT + "dac", _LIBVIRT + "ref_dac", _LIBVIRT + "timestamp_dac"
_TOKENS = "trusted.virloom.dac"
_NOT_KEPT = (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Why a file system may not keep an attribute: it has none, we may not, there is no room."""

_UTMP = "hxx336xi40x"
_UTMP_BOOT_TIME = 2
"""``struct utmp`` of utmp(5) on Linux, 384 bytes: its type and its seconds."""


class Memory(NamedTuple):
    """What is remembered of a file.

    Attributes:
        owner: uid and gid that it had; None while nobody has changed them.
        tokens: Our holders.
        others: How many holders libvirt counts besides ours.
        current: Of this boot. No holder of an earlier one can still run, but the owner that it
            could not give back is worth remembering.
    """

    owner: tuple[int, int] | None = None
    tokens: tuple[str, ...] = ()
    others: int = 0
    current: bool = True


def plan(path: str, token: str, uid: int, gid: int, state_dir: str) -> dict[str, Any]:
    """The resource for a guest's record; nothing is changed yet.

    Args:
        path: The file or block device; symbolic links are followed now, and never again.
        token: The guest's own, never used by another.
        state_dir: Where memory goes that the file system cannot keep; made when it is needed.

    Raises:
        OSError: There is no such file.
    """
    resolved = os.path.realpath(path, strict=True)
    found = os.stat(resolved, follow_symlinks=False)
    return {
        "kind": "owner",
        "path": resolved,
        "device": found.st_dev,
        "inode": found.st_ino,
        "token": token,
        "uid": uid,
        "gid": gid,
        "state_dir": state_dir,
    }


def take(resource: Mapping[str, Any]) -> None:
    """Change the owner as planned. The record with the plan must be on disk by now.

    Raises:
        FileNotFoundError: The file has gone or been replaced since it was planned.
        OSError: It cannot be changed; :func:`restore` is still to be called.
    """
    with _opened(resource) as fd:
        if fd is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), resource["path"])
        if not resource.get("remember", True):
            _chown(fd, resource["uid"], resource["gid"])
            return
        memory = _recall(fd, resource)
        _remember(fd, resource, _with_holder(memory, resource["token"], os.fstat(fd)))
        _chown(fd, resource["uid"], resource["gid"])


def restore(resource: Mapping[str, Any]) -> None:
    """Give the file back; the owner changes when nobody else holds it. May be repeated.

    A file that has gone or been replaced is left alone.

    Raises:
        OSError: It cannot be changed; to be tried again.
    """
    with _opened(resource) as fd:
        if fd is None:
            _StateFile(resource).clear()
            return
        if not resource.get("remember", True):
            found = os.fstat(fd)
            if (found.st_uid, found.st_gid) == (resource["uid"], resource["gid"]):
                _chown(fd, 0, 0)  # as libvirt does with remember_owner = 0
            return
        memory = _recall(fd, resource)
        if resource["token"] not in memory.tokens:
            return
        left = tuple(token for token in memory.tokens if token != resource["token"])
        if left or memory.others:
            _remember(fd, resource, memory._replace(tokens=left))
            return
        if memory.owner is not None:
            _chown(fd, *memory.owner)
        _StateFile(resource).clear()
        _Attributes(fd).clear()


def _with_holder(memory: Memory, token: str, found: os.stat_result) -> Memory:
    tokens = memory.tokens if memory.current else ()
    owner = memory.owner or (found.st_uid, found.st_gid)
    return Memory(owner, (*(held for held in tokens if held != token), token), memory.others)


def _recall(fd: int, resource: Mapping[str, Any]) -> Memory:
    return _StateFile(resource).load() or _Attributes(fd).load()


def _remember(fd: int, resource: Mapping[str, Any], memory: Memory) -> None:
    """Keep *memory* with the file; where its first keeping fails there, in the state directory.

    Memory that began in one place stays there.
    """
    state, attributes = _StateFile(resource), _Attributes(fd)
    if state.load() is not None:
        state.save(memory)
        return
    began = bool(attributes.load().tokens)
    try:
        attributes.save(memory)
    except OSError as error:
        if began or error.errno not in _NOT_KEPT:
            raise
        state.save(memory)
        attributes.clear()


def _chown(fd: int, uid: int, gid: int) -> None:
    os.chown(f"/proc/self/fd/{fd}", uid, gid)  # fchown(2) refuses an O_PATH descriptor


@contextlib.contextmanager
def _opened(resource: Mapping[str, Any]) -> Iterator[int | None]:
    """The planned file by an O_PATH descriptor, locked against others who change its memory.

    None when the path leads to another file by now.
    """
    with contextlib.ExitStack() as descriptors:
        try:
            fd = os.open(resource["path"], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        descriptors.callback(os.close, fd)
        found = os.fstat(fd)
        same = (found.st_dev, found.st_ino) == (resource["device"], resource["inode"])
        if not same or stat.S_ISLNK(found.st_mode):  # a link may even get the inode's number anew
            yield None
            return
        if stat.S_ISREG(found.st_mode) or stat.S_ISBLK(found.st_mode):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            lock = os.open(f"/proc/self/fd/{fd}", flags)
            descriptors.callback(os.close, lock)
            # A flock, which QEMU's own locks on images (OFD) do not meet; held for microseconds.
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield fd


def _boot_time() -> int:
    """The boot in seconds since the epoch, as libvirt has it: from utmp, else by the clock.

    libvirt puts it on its memory, and drops memory with another.
    """
    return boot_time_by_utmp() or _boot_time_by_clock()


def boot_time_by_utmp() -> int | None:
    """The time in utmp's record of the boot; None where utmp is not kept."""
    try:
        with open("/run/utmp", "rb") as file:
            records = file.read()
    except OSError:
        return None
    for kind, seconds in struct.iter_unpack(_UTMP, records[: len(records) // 384 * 384]):
        if kind == _UTMP_BOOT_TIME:
            return int(seconds)
    return None


def _boot_time_by_clock() -> int:
    with open("/proc/uptime", encoding="ascii") as file:
        return round(time.time() - float(file.read().split()[0]))


def _this_boot(text: str) -> bool:
    """Whether a time of boot that was kept is this boot's.

    Without utmp everybody computes it, and each rounds in his own way (libvirt 9.0 by a second
    more or less, depending on when in a second it starts).
    """
    if not text.isdigit():
        return False
    return any(abs(int(text) - now) <= 2 for now in (_boot_time(), _boot_time_by_clock()))


class _Attributes:
    """Memory in extended attributes of the file itself."""

    def __init__(self, fd: int) -> None:
        self._path = f"/proc/self/fd/{fd}"

    def load(self) -> Memory:
        owner, boot, *tokens = self._get(_TOKENS).split() or ("", "")
        theirs = _this_boot(self._get(_TIMESTAMP))  # libvirt drops what is of an earlier one too
        # Ours are counted only while they are listed; a crash can leave the count behind.
        others = max(0, int(self._get(_COUNT) or 0) - len(tokens)) if theirs else 0
        if tokens:
            # Not libvirt's word: its guest takes all of its memory away at its end.
            return Memory(_parse_owner(owner), tuple(tokens), others, boot == boot_id())
        text = self._get(_OWNER)
        return Memory(_parse_owner(text), (), others) if theirs and text else Memory()

    def save(self, memory: Memory) -> None:
        assert memory.owner is not None
        owner = "+{}:+{}".format(*memory.owner)
        steps = [
            lambda: self._set(_TOKENS, " ".join((owner, boot_id(), *memory.tokens))),
            lambda: self._set(_COUNT, str(len(memory.tokens) + memory.others)),
        ]
        if len(memory.tokens) < len(self.load().tokens):
            steps.reverse()  # a holder who is counted and not listed would pass for libvirt's
        steps[0]()
        if not _this_boot(self._get(_TIMESTAMP)):  # libvirt wants its own again, to the letter
            self._set(_TIMESTAMP, str(_boot_time()))
        self._set(_OWNER, owner)
        steps[1]()
        if not memory.tokens:
            self._remove(_TOKENS)

    def clear(self) -> None:
        # The tokens last: as long as they are there, a restore that was cut off is repeated.
        for name in (_OWNER, _COUNT, _TIMESTAMP, _TOKENS):
            self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            os.removexattr(self._path, name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, *_NOT_KEPT):
                raise

    def _get(self, name: str) -> str:
        try:
            return os.getxattr(self._path, name).decode()
        except OSError as error:
            if error.errno not in (errno.ENODATA, *_NOT_KEPT):
                raise
            return ""

    def _set(self, name: str, value: str) -> None:
        os.setxattr(self._path, name, value.encode())


def _parse_owner(text: str) -> tuple[int, int]:
    """The ids in libvirt's form ``+UID:+GID``."""
    user, _, group = text.partition(":")
    return int(user), int(group)


class _StateFile:
    """Memory in a file of the state directory, named after the remembered file's inode."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self._token = resource["token"]
        self._remembered = resource["path"]
        name = f"owner-{resource['device']:x}-{resource['inode']:x}.json"
        self._path = os.path.join(resource["state_dir"], name)

    def load(self) -> Memory | None:
        try:
            with open(self._path, encoding="utf-8") as file:
                data = json.load(file)
        except FileNotFoundError:
            return None
        if data["path"] != self._remembered:  # the inode's number went to another file
            return None
        owner = data["owner"]
        current = data["boot_id"] == boot_id()
        return Memory((owner[0], owner[1]), tuple(data["tokens"]), current=current)

    def save(self, memory: Memory) -> None:
        data = {
            "path": self._remembered,
            "owner": memory.owner,
            "tokens": memory.tokens,
            "boot_id": boot_id(),
        }
        # virloom.host.files needs the error classes, which the guardian does not load.
        temporary = f"{self._path}.{os.getpid()}"
        os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, self._path)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def clear(self) -> None:
        """Forget a file that only our holder has, or that has gone."""
        memory = self.load()
        if memory is not None and set(memory.tokens) <= {self._token}:
            os.unlink(self._path)
