# SPDX-License-Identifier: Apache-2.0
"""What the host's processor has: by CPUID where the kernel lets us, else by its own list."""

from __future__ import annotations

import os
import struct

from virloom.drivers.qemu.capabilities.cpu_model import (
    VENDOR_NAMES,
    Processor,
    emulated_processor,
    settle_custom,
    settle_host_model,
)
from virloom.drivers.qemu.capabilities.cpu_table import FEATURES, MODELS
from virloom.model.domain import Domain

#: The kernel's names (proc(5), cpuinfo) where they differ from libvirt's.
_OF_KERNEL = {
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "pclmulqdq": "pclmuldq",
    "tsc_deadline_timer": "tsc-deadline",
    "cr8_legacy": "cr8legacy",
    "sha_ni": "sha-ni",
    "nonstop_tsc": "invtsc",
    "avx512_bf16": "avx512-bf16",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_vnni": "avx512vnni",
    "avx512_bitalg": "avx512bitalg",
    "avx512_vpopcntdq": "avx512-vpopcntdq",
    "arch_capabilities": "arch-capabilities",
    "md_clear": "md-clear",
    "ibrs": "spec-ctrl",
}
_X86 = ("x86_64", "i686")
_REGISTERS = ("eax", "ebx", "ecx", "edx")
#: CPUID answers a leaf beyond its last with that of another.
_LAST_LEAVES = (0x0, 0x80000000)


def read_features(
    cpuid: str | os.PathLike[str] = "/dev/cpu/0/cpuid",
    cpuinfo: str | os.PathLike[str] = "/proc/cpuinfo",
) -> Processor | None:
    """The processor; None on another architecture than x86."""
    fields = _cpuinfo(cpuinfo)
    if "flags" not in fields:
        return None
    features = _by_cpuid(cpuid)
    if features is None:
        flags = {_OF_KERNEL.get(name, name) for name in fields["flags"].split()}
        if "xsave" in flags:
            flags.add("osxsave")
        features = frozenset(flags & FEATURES.keys())
    signature = (int(fields.get("cpu family", "0")), int(fields.get("model", "0")))
    return Processor(VENDOR_NAMES.get(fields.get("vendor_id", "")), features, signature)


def resolve_cpu(dom: Domain) -> None:
    """Gives a guest on x86 the processor that this run has, in place, where that is left open.

    Its host is the host's processor with KVM, else the most that QEMU emulates.
    """
    cpu = dom.cpu
    if cpu is None or dom.os.type.arch not in _X86:
        return
    model = cpu.mode == "custom" and cpu.model.value in MODELS
    if not model and cpu.mode != "host-model":
        return
    processor = read_features() if dom.type == "kvm" else emulated_processor()
    if processor is None:
        return
    if model:
        settle_custom(cpu, processor)
    else:
        settle_host_model(cpu, processor)


def _cpuinfo(path: str | os.PathLike[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:
                    break
                fields[name.strip()] = value.strip()
    except OSError:
        return {}
    return fields


def _by_cpuid(path: str | os.PathLike[str]) -> frozenset[str] | None:
    """By the instruction itself, which the kernel runs for root; None where it does not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        last = {base: _leaf(fd, base, 0)["eax"] for base in _LAST_LEAVES}
        words: dict[tuple[int, int], dict[str, int]] = {}
        found = set()
        for name, (leaf, sub, register, bit) in FEATURES.items():
            base = leaf & 0x80000000
            if register == "msr" or leaf > last.get(base, 0):
                continue
            if (leaf, sub) not in words:
                words[leaf, sub] = _leaf(fd, leaf, sub)
            if words[leaf, sub][register] >> bit & 1:
                found.add(name)
        return frozenset(found)
    except OSError:
        return None
    finally:
        os.close(fd)


def _leaf(fd: int, leaf: int, sub: int) -> dict[str, int]:
    data = os.pread(fd, 16, sub << 32 | leaf)
    return dict(zip(_REGISTERS, struct.unpack("<4I", data), strict=True))
