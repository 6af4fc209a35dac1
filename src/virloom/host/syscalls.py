# SPDX-License-Identifier: Apache-2.0
"""Linux system calls that Python 3.11 has no function for.

Loaded by the spawn helper alone, which has one thread: :class:`ctypes.PyDLL` keeps the
interpreter's lock, so that a fork made here finds it in a state that the child can go on with.
Numbers from 424 up are the same on every architecture (``asm-generic/unistd.h``).
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

CLONE_NEWNS = 0x20000
CLONE_PARENT = 0x8000
"""linux/sched.h."""

MS_REC, MS_SLAVE = 0x4000, 0x80000
MNT_DETACH = 2
"""linux/mount.h."""

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSOPEN_CLOEXEC = 1
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
_FSMOUNT_CLOEXEC = 1
_MOUNT_ATTR_NOSUID = 2

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _CLONE3 = 428, 429, 430, 431, 432, 435

#: Number of set_mempolicy(2) by machine; 237 on those whose table is the generic one.
_SET_MEMPOLICY = {"x86_64": 238, "i686": 276, "ppc64": 261, "ppc64le": 261, "s390x": 270}

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _CloneArgs(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
        )
    ]


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _syscall(number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words))


def prctl(*arguments: int) -> None:
    """prctl(2).

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.prctl(*map(ctypes.c_ulong, arguments)))


def capset(header: bytes, data: bytes) -> None:
    """capset(2).

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.capset(header, data))


def fork_sibling() -> int:
    """Fork a child of this process's own parent; 0 in the child (clone3(2), ``CLONE_PARENT``).

    Raises:
        OSError: There can be no more processes.
    """
    arguments = _CloneArgs(flags=CLONE_PARENT)
    return _syscall(_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))


def unshare(flags: int) -> None:
    """unshare(2).

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.unshare(flags))


def setns(fd: int, flags: int) -> None:
    """setns(2).

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.setns(fd, flags))


def make_slave(path: str) -> None:
    """What is mounted below *path* elsewhere from now on comes here, and nothing goes there.

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.mount(None, os.fsencode(path), None, ctypes.c_ulong(MS_REC | MS_SLAVE), None))


def unmount(path: str) -> None:
    """Detach what is mounted at *path*, and all below it (umount2(2), ``MNT_DETACH``).

    Raises:
        OSError: The kernel refuses.
    """
    _checked(_libc.umount2(os.fsencode(path), MNT_DETACH))


def clone_tree(path: str) -> int:
    """A detached copy of the mounts at *path*, as a descriptor (open_tree(2)).

    Raises:
        OSError: The kernel refuses, or is older than 5.2.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    return _syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)


def new_tmpfs(source: str, options: dict[str, str]) -> int:
    """A detached tmpfs without set-user-ID, as a descriptor (fsopen(2), fsmount(2)).

    Args:
        source: What mount tables call it.
        options: As for mount(8), each with a value.

    Raises:
        OSError: The kernel refuses, or is older than 5.2.
    """
    context = _syscall(_FSOPEN, b"tmpfs", _FSOPEN_CLOEXEC)
    try:
        for name, value in {"source": source, **options}.items():
            words = (context, _FSCONFIG_SET_STRING, name.encode(), value.encode(), 0)
            _syscall(_FSCONFIG, *words)
        _syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, _MOUNT_ATTR_NOSUID)
    finally:
        os.close(context)


def attach(mount: int, path: str) -> None:
    """Mount what a descriptor holds at *path* (move_mount(2)).

    Raises:
        OSError: The kernel refuses.
    """
    words = (mount, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH)
    _syscall(_MOVE_MOUNT, *words)


def set_mempolicy(mode: int, nodes: int) -> None:
    """Where the kernel takes this process's memory from (set_mempolicy(2)).

    Args:
        mode: ``MPOL_*`` of linux/mempolicy.h.
        nodes: A bit for each node.

    Raises:
        OSError: The kernel refuses; a node is not there, say.
    """
    number = _SET_MEMPOLICY.get(os.uname().machine, 237)
    size = nodes.bit_length() // 64 + 1
    mask = (ctypes.c_uint64 * size)(*(nodes >> 64 * word & (1 << 64) - 1 for word in range(size)))
    _syscall(number, mode, mask, size * 64 + 1)  # the kernel takes one bit less than it is told
