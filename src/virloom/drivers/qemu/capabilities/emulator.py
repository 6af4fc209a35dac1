# SPDX-License-Identifier: Apache-2.0
"""Which QEMU binary runs guests of an architecture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

#: libvirt's name of an architecture, where QEMU's differs.
_QEMU_NAMES: Mapping[str, str] = {
    "i686": "i386",
    "armv6l": "arm",
    "armv7l": "arm",
    "or32": "or1k",
}

#: Binaries that run another architecture's guests as well.
_SUPERSETS: Mapping[str, str] = {"i386": "x86_64", "arm": "aarch64", "ppc64le": "ppc64"}

#: The apt package of each emulator (Debian 12, ``dpkg -S``); all others are in -misc.
_PACKAGES: Mapping[str, str] = {
    "x86_64": "qemu-system-x86",
    "i386": "qemu-system-x86",
    "aarch64": "qemu-system-arm",
    "arm": "qemu-system-arm",
    "ppc": "qemu-system-ppc",
    "ppc64": "qemu-system-ppc",
    "ppc64le": "qemu-system-ppc",
    "mips": "qemu-system-mips",
    "mipsel": "qemu-system-mips",
    "mips64": "qemu-system-mips",
    "mips64el": "qemu-system-mips",
    "sparc": "qemu-system-sparc",
    "sparc64": "qemu-system-sparc",
    "alpha": "qemu-system-misc",
    "hppa": "qemu-system-misc",
    "loongarch64": "qemu-system-misc",
    "m68k": "qemu-system-misc",
    "microblaze": "qemu-system-misc",
    "microblazeel": "qemu-system-misc",
    "or1k": "qemu-system-misc",
    "riscv32": "qemu-system-misc",
    "riscv64": "qemu-system-misc",
    "rx": "qemu-system-misc",
    "s390x": "qemu-system-misc",
    "sh4": "qemu-system-misc",
    "sh4eb": "qemu-system-misc",
    "tricore": "qemu-system-misc",
    "xtensa": "qemu-system-misc",
    "xtensaeb": "qemu-system-misc",
}

#: Where binaries are that are in nobody's PATH.
_EXTRA_DIRECTORIES = ("/usr/libexec", "/usr/bin", "/usr/local/bin")

_KVM_ONLY = "qemu-kvm"


def find_emulator(arch: str, type: str = "qemu", directories: Sequence[str] | None = None) -> str:
    """The path of the emulator for guests of *arch*, as libvirt names architectures.

    Args:
        type: The domain's type; for ``kvm`` of the host's architecture, a binary that the
            distribution names for it is taken when there is no other.
        directories: Where to look; by default PATH, then the usual places.

    Raises:
        ConfigUnsupported: There is none; says which package brings it.
    """
    name = _QEMU_NAMES.get(arch, arch)
    if name not in _PACKAGES:
        raise ConfigUnsupported(
            f"no emulator exists for architecture '{arch}'", domain=ErrorDomain.QEMU
        )
    places = _default_directories() if directories is None else directories
    candidates = [f"qemu-system-{kind}" for kind in (name, _SUPERSETS.get(name)) if kind]
    if type == "kvm" and arch == os.uname().machine:
        candidates.append(_KVM_ONLY)
    for candidate in candidates:
        for place in places:
            path = os.path.join(place, candidate)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
    raise ConfigUnsupported(
        f"no emulator for architecture '{arch}' is installed: looked for "
        f"{' and '.join(candidates)} in {', '.join(places)}",
        domain=ErrorDomain.QEMU,
        remedy=f"on Debian: apt install {_PACKAGES[name]}",
    )


def _default_directories() -> list[str]:
    path = [place for place in os.environ.get("PATH", os.defpath).split(":") if place]
    return list(dict.fromkeys([*path, *_EXTRA_DIRECTORIES]))
