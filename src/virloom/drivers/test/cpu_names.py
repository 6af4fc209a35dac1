# SPDX-License-Identifier: Apache-2.0
"""The processor models that libvirt 9.0.0 knows, in its order."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoSupport

_X86 = (
    "486 pentium pentium2 pentium3 pentiumpro coreduo n270 core2duo qemu32 kvm32 cpu64-rhel5 "
    "cpu64-rhel6 qemu64 kvm64 Conroe Penryn Nehalem Nehalem-IBRS Westmere Westmere-IBRS "
    "SandyBridge SandyBridge-IBRS IvyBridge IvyBridge-IBRS Haswell-noTSX Haswell-noTSX-IBRS "
    "Haswell Haswell-IBRS Broadwell-noTSX Broadwell-noTSX-IBRS Broadwell Broadwell-IBRS "
    "Skylake-Client Skylake-Client-IBRS Skylake-Client-noTSX-IBRS Skylake-Server "
    "Skylake-Server-IBRS Skylake-Server-noTSX-IBRS Cascadelake-Server Cascadelake-Server-noTSX "
    "Icelake-Client Icelake-Client-noTSX Icelake-Server Icelake-Server-noTSX Cooperlake "
    "Snowridge athlon phenom Opteron_G1 Opteron_G2 Opteron_G3 Opteron_G4 Opteron_G5 EPYC "
    "EPYC-IBPB EPYC-Rome EPYC-Milan Dhyana"
)
_POWER = "POWER6 POWER7 POWER8 POWER9 POWER10 POWERPC_e5500 POWERPC_e6500"

#: Models by architecture; where there are none, the host's tools tell them.
_MODELS = {
    "i686": _X86, "x86_64": _X86, "ppc64": _POWER, "ppc64le": _POWER,
    "armv6l": "", "armv7l": "", "armv7b": "", "aarch64": "", "s390": "", "s390x": "",
}  # fmt: skip

#: Those of libvirt 9 whose processors it cannot tell apart.
_OTHERS = frozenset(
    [
        "alpha",
        "cris",
        "ia64",
        "lm32",
        "m68k",
        "microblaze",
        "microblazeel",
        "mips",
        "mipsel",
        "mips64",
        "mips64el",
        "openrisc",
        "parisc",
        "parisc64",
        "ppc",
        "ppcle",
        "ppcemb",
        "riscv32",
        "riscv64",
        "sh4",
        "sh4eb",
        "sparc",
        "sparc64",
        "unicore32",
        "xtensa",
        "xtensaeb",
    ]
)
ARCHITECTURES = _OTHERS | _MODELS.keys()
"""All architectures that libvirt 9.0.0 knows by name."""


def cpu_names(arch: str) -> list[str]:
    """The models of an architecture.

    Raises:
        InvalidArg: There is no such architecture.
        NoSupport: Its processors are not told apart.
    """
    if arch in _MODELS:
        return _MODELS[arch].split()
    if arch in _OTHERS:
        raise NoSupport(
            f"'{arch}' architecture is not supported by CPU driver", domain=ErrorDomain.CPU
        )
    raise InvalidArg(f"cannot find architecture {arch}", domain=ErrorDomain.TEST)
