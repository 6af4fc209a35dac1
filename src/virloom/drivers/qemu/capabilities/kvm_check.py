# SPDX-License-Identifier: Apache-2.0
"""Run as a program: runs a few instructions in a virtual machine of KVM, and says how it went.

A virtual CPU that can be made is no proof that it runs: there are hosts where KVM_RUN fails or
never returns, and others (no virtualization in hardware, PVM) where KVM interprets a guest so
slowly that it never comes up. So a CPU in 64-bit mode, with paging, counts down for what takes
hardware some milliseconds, and then executes HLT, which KVM reports.
Exit status 0: it did. Otherwise standard output says why not; by SIGALRM: it was not there in time.

Standard library only. Numbers and layouts: the kernel's ``Documentation/virt/kvm/api.rst`` and
``linux/kvm.h``, for x86.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import signal
import struct
import sys

#: Seconds that KVM_RUN may take.
LIMIT = 1

_DEVICE = "/dev/kvm"
_API_VERSION = 12

_KVM_GET_API_VERSION = 0xAE00
_KVM_CREATE_VM = 0xAE01
_KVM_GET_VCPU_MMAP_SIZE = 0xAE04
_KVM_CREATE_VCPU = 0xAE41
_KVM_SET_USER_MEMORY_REGION = 0x4020AE46
_KVM_RUN = 0xAE80
_KVM_SET_REGS = 0x4090AE82
_KVM_GET_SREGS = 0x8138AE83
_KVM_SET_SREGS = 0x4138AE84

_KVM_EXIT_HLT = 5
_EXIT_REASON_OFFSET = 8

# struct kvm_sregs: eight segments, two tables, then control registers.
_SREGS_SIZE = 0x138
_SEGMENT = struct.Struct("<QIH10B")
_CS_AT, _SS_AT = 0, 120
_CR0_AT, _CR3_AT, _CR4_AT, _EFER_AT = 224, 240, 248, 264

_CR0_PE, _CR0_PG, _CR4_PAE = 1 << 0, 1 << 31, 1 << 5
_EFER_LME, _EFER_LMA = 1 << 8, 1 << 10

_REGS = struct.Struct("<16QQQ")
_RFLAGS_RESERVED = 2

# One page for each level of the page table, which maps the first 2 MiB to themselves; then code.
_MEMORY_SIZE = 0x10000
_PML4_AT, _PDPT_AT, _PD_AT, _CODE_AT = 0x1000, 0x2000, 0x3000, 0x4000
_PRESENT_WRITABLE, _LARGE = 0x3, 0x80

_ROUNDS = 5_000_000
#: mov ecx, rounds; again: dec ecx; jnz again; hlt
_CODE = b"\xb9" + struct.pack("<I", _ROUNDS) + b"\xff\xc9\x75\xfc\xf4"


def _fill(memory: mmap.mmap) -> None:
    """Page tables and code."""
    struct.pack_into("<Q", memory, _PML4_AT, _PDPT_AT | _PRESENT_WRITABLE)
    struct.pack_into("<Q", memory, _PDPT_AT, _PD_AT | _PRESENT_WRITABLE)
    struct.pack_into("<Q", memory, _PD_AT, _PRESENT_WRITABLE | _LARGE)
    memory[_CODE_AT : _CODE_AT + len(_CODE)] = _CODE


def _set_registers(cpu: int) -> None:
    """64-bit mode at ring 0, and the instruction pointer at the code."""
    sregs = bytearray(_SREGS_SIZE)
    fcntl.ioctl(cpu, _KVM_GET_SREGS, sregs, True)
    # base, limit, selector, type, present, dpl, db, s, l, g, avl, unusable, padding
    _SEGMENT.pack_into(sregs, _CS_AT, 0, 0xFFFFFFFF, 0x08, 11, 1, 0, 0, 1, 1, 1, 0, 0, 0)
    for at in range(_CS_AT + _SEGMENT.size, _SS_AT + _SEGMENT.size, _SEGMENT.size):
        _SEGMENT.pack_into(sregs, at, 0, 0xFFFFFFFF, 0x10, 3, 1, 0, 1, 1, 0, 1, 0, 0, 0)
    struct.pack_into("<Q", sregs, _CR0_AT, _CR0_PE | _CR0_PG)
    struct.pack_into("<Q", sregs, _CR3_AT, _PML4_AT)
    struct.pack_into("<Q", sregs, _CR4_AT, _CR4_PAE)
    struct.pack_into("<Q", sregs, _EFER_AT, _EFER_LME | _EFER_LMA)
    fcntl.ioctl(cpu, _KVM_SET_SREGS, sregs, True)
    fcntl.ioctl(cpu, _KVM_SET_REGS, _REGS.pack(*(0,) * 16, _CODE_AT, _RFLAGS_RESERVED))


def _exit_reason() -> int:
    """Runs the code; returns why KVM_RUN came back."""
    kvm = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    if fcntl.ioctl(kvm, _KVM_GET_API_VERSION, 0) != _API_VERSION:
        raise OSError(f"{_DEVICE} does not have version {_API_VERSION} of its interface")
    machine = fcntl.ioctl(kvm, _KVM_CREATE_VM, 0)
    memory = mmap.mmap(-1, _MEMORY_SIZE)
    _fill(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    region = struct.pack("<IIQQQ", 0, 0, 0, _MEMORY_SIZE, address)
    fcntl.ioctl(machine, _KVM_SET_USER_MEMORY_REGION, region)
    cpu = fcntl.ioctl(machine, _KVM_CREATE_VCPU, 0)
    shared = mmap.mmap(cpu, fcntl.ioctl(kvm, _KVM_GET_VCPU_MMAP_SIZE, 0))
    _set_registers(cpu)
    signal.alarm(LIMIT)
    fcntl.ioctl(cpu, _KVM_RUN, 0)
    signal.alarm(0)
    (reason,) = struct.unpack_from("<I", shared, _EXIT_REASON_OFFSET)
    return int(reason)


def main() -> int:
    """The program."""
    if os.uname().machine not in ("x86_64", "i686"):
        print(f"the check knows no instruction of {os.uname().machine}")
        return 1
    try:
        reason = _exit_reason()
    except OSError as exc:
        print(exc.strerror or exc)
        return 1
    if reason != _KVM_EXIT_HLT:
        print(f"the CPU stopped with exit reason {reason} instead of executing HLT")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
