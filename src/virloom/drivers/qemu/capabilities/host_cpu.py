# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of the host's processor, and which models QEMU has, as libvirt tells it."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from virloom.drivers.qemu.capabilities.binary import BinaryCaps

#: What QEMU lists as models beside models: versions of them, and names for "whatever there is".
_NO_MODEL = re.compile(r".*-v[0-9]+|base|host|max")

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


class Processor(NamedTuple):
    """The first processor of the host (x86).

    Attributes:
        family, model, stepping: As CPUID has them.
        microcode: The revision that is loaded; 0 where a hypervisor hides it.
        address_bits: How many bits a physical address has; 0 where nobody tells.
        megahertz: The clock right now.
    """

    family: int
    model: int
    stepping: int
    microcode: int
    address_bits: int
    megahertz: int


def read_processor(proc: str | os.PathLike[str] = "/proc") -> Processor | None:
    """The processor, by proc(5), cpuinfo; None on other architectures than x86."""
    fields: dict[str, str] = {}
    try:
        with open(os.path.join(proc, "cpuinfo"), encoding="ascii", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:
                    break  # a blank line: the next processor
                fields[name.strip()] = value.strip()
    except OSError:
        return None
    if "cpu family" not in fields:
        return None
    return Processor(
        *(
            _number(fields.get(name, ""))
            for name in (
                "cpu family",
                "model",
                "stepping",
                "microcode",
                "address sizes",
                "cpu MHz",
            )
        )
    )


def _number(text: str) -> int:
    """The number that *text* begins with; 0 without one."""
    match = _NUMBER.match(text)
    return int(match[0], 0) if match else 0


def plain_models(caps: BinaryCaps) -> list[str]:
    """The models that a document names; versions of a model and catch-all names left out.

    Raises:
        FactsMissing: The models have not been probed.
    """
    return sorted(m.name for m in caps.cpu_models if not _NO_MODEL.fullmatch(m.name))
