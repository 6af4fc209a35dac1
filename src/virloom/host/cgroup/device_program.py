# SPDX-License-Identifier: Apache-2.0
"""Device rules of version 2: a small program that the kernel asks at each open.

The instructions are those of the kernel's ``bpf/standardization/instruction-set.rst``, the numbers
of ``linux/bpf.h`` (``BPF_PROG_TYPE_CGROUP_DEVICE``).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Mapping, Sequence

from virloom.host.cgroup.devices import DeviceRule

_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
_CGROUP_DEVICE_PROGRAM, _CGROUP_DEVICE_ATTACH = 15, 6
_SYSCALLS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}

_LOAD, _MOVE, _MOVE_VALUE, _AND, _SHIFT, _UNLESS, _EXIT = (
    0x61, 0xBF, 0xB7, 0x57, 0x77, 0x55, 0x95,
)  # fmt: skip
#: Registers: the result, the context, and what the context says.
_RESULT, _CONTEXT, _ACCESS, _KIND, _MAJOR, _MINOR, _REST = 0, 1, 2, 3, 4, 5, 6
_KINDS: Mapping[str, int] = {"b": 1, "c": 2}
_ACCESSES: Mapping[str, int] = {"m": 1, "r": 2, "w": 4}
_ATTRIBUTES = 128


def program(rules: Sequence[DeviceRule]) -> bytes:
    """What the kernel runs: 1 for an access that a rule allows, else 0."""
    code = [
        _instruction(_LOAD, _ACCESS, _CONTEXT, 0),
        _instruction(_MOVE, _KIND, _ACCESS),
        _instruction(_AND, _KIND, value=0xFFFF),
        _instruction(_SHIFT, _ACCESS, value=16),
        _instruction(_LOAD, _MAJOR, _CONTEXT, 4),
        _instruction(_LOAD, _MINOR, _CONTEXT, 8),
    ]
    for rule in rules:
        code += _allow(rule)
    code += [_instruction(_MOVE_VALUE, _RESULT, value=0), _instruction(_EXIT)]
    return b"".join(code)


def _allow(rule: DeviceRule) -> list[bytes]:
    tests = [(_KIND, _KINDS[rule.kind]), (_MAJOR, rule.major)]
    if rule.minor is not None:
        tests.append((_MINOR, rule.minor))
    allowed = sum(_ACCESSES[letter] for letter in set(rule.access))
    # Behind the tests: four instructions up to the answer, and the one that ends.
    behind = 5
    code = []
    for place, (register, value) in enumerate(tests):
        code.append(_instruction(_UNLESS, register, 0, len(tests) - place - 1 + behind, value))
    return [
        *code,
        _instruction(_MOVE, _REST, _ACCESS),
        _instruction(_AND, _REST, value=7 & ~allowed),
        _instruction(_UNLESS, _REST, 0, 2, 0),
        _instruction(_MOVE_VALUE, _RESULT, value=1),
        _instruction(_EXIT),
    ]


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, to | source << 4, offset, value)


def attach(group: str, rules: Sequence[DeviceRule]) -> None:
    """Lets the processes of a group use nothing but these devices; replaces what was there.

    Raises:
        OSError: The kernel has no such programs, or we have not the right.
    """
    text = program(rules)
    code = ctypes.create_string_buffer(text, len(text))
    # Only programs under a free licence may call the kernel's functions; this one calls none.
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    loading = struct.pack(
        "=IIQQ", _CGROUP_DEVICE_PROGRAM, len(text) // 8, ctypes.addressof(code),
        ctypes.addressof(licence),
    )  # fmt: skip
    loaded = _bpf(_BPF_PROG_LOAD, loading)
    try:
        directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            attaching = struct.pack("=IIII", directory, loaded, _CGROUP_DEVICE_ATTACH, 0)
            _bpf(_BPF_PROG_ATTACH, attaching)
        finally:
            os.close(directory)
    finally:
        os.close(loaded)


def _bpf(command: int, attributes: bytes) -> int:
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise OSError(38, f"bpf(2) is not known on {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes.ljust(_ATTRIBUTES, b"\0"), _ATTRIBUTES)
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, command, buffer, _ATTRIBUTES))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
