# SPDX-License-Identifier: Apache-2.0
"""The document of ``virConnectGetDomainCapabilities``: what guests of one kind can have here.

In libvirt's form, and only what a guest of this driver can really be started with: clients choose
devices by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Machine, Parts
from virloom.drivers.qemu.capabilities.cache import CapabilityCache
from virloom.drivers.qemu.capabilities.cpu_model import (
    decode,
    emulated_processor,
    plain,
    vendor_of,
)
from virloom.drivers.qemu.capabilities.document import ARCHITECTURES, SERVED, runs_on_host
from virloom.drivers.qemu.capabilities.domain_devices import (
    GuestDevices,
    enumeration,
    lines,
    memory_sources,
)
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.capabilities.host_cpu import plain_models
from virloom.drivers.qemu.capabilities.host_features import read_features
from virloom.drivers.qemu.capabilities.kvm import Verdict
from virloom.drivers.qemu.firmware import Firmware, firmware_for
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg
from virloom.xml.escape import escape

#: libvirt's domain types; all but the first two are other drivers'.
_TYPES = (
    "qemu", "kvm", "xen", "lxc", "uml", "openvz", "test", "vmware", "hyperv", "vbox", "phyp",
    "parallels", "bhyve", "vz", "hvf", "kqemu",
)  # fmt: skip

#: libvirt's names where QEMU calls itself otherwise.
_ARCH_OF_QEMU = {"i386": "i686", "arm": "armv7l", "or1k": "or32"}


class Kind(NamedTuple):
    """The guests that are asked about."""

    caps: BinaryCaps
    arch: str
    machine: Machine
    type: str


async def domain_capabilities_xml(
    cache: CapabilityCache,
    verdict: Verdict,
    *,
    emulator: str | None = None,
    arch: str | None = None,
    machine: str | None = None,
    type: str | None = None,
    places: Sequence[Path] | None = None,
) -> str:
    """The document; what is not named is chosen as libvirt does, KVM only where it works.

    Args:
        verdict: Whether KVM runs guests here.
        places: Directories of firmware descriptors; the usual ones by default.

    Raises:
        InvalidArg: Names that exist nowhere, or that do not go together.
        ConfigUnsupported: No emulator of that architecture is installed.
        SystemFailure: The emulator that is named cannot be used.
    """
    if type is not None and type not in _TYPES:
        raise InvalidArg(f"unknown virttype: {type}", domain=ErrorDomain.QEMU)
    if arch is not None and arch not in ARCHITECTURES:
        raise InvalidArg(f"unknown architecture: {arch}", domain=ErrorDomain.QEMU)
    binary = emulator or find_emulator(arch or os.uname().machine)
    caps = await cache.get(binary, Parts.ALL)
    kind = choose(caps, verdict, arch, machine, type)
    return document(kind, list(firmware_for(kind.arch, kind.machine.name, places)))


def choose(
    caps: BinaryCaps, verdict: Verdict, arch: str | None, machine: str | None, type: str | None
) -> Kind:
    """The guests that such an emulator runs, with what is not named chosen.

    Raises:
        InvalidArg, ConfigUnsupported: As :func:`domain_capabilities_xml`.
    """
    own = _ARCH_OF_QEMU.get(caps.arch, caps.arch)
    wanted = arch or os.uname().machine
    if wanted == "x86_64" and own == "i686":
        raise InvalidArg(
            f"Emulator '{caps.path}' does not support arch '{wanted}'", domain=ErrorDomain.QEMU
        )
    if wanted != own:
        raise InvalidArg(
            f"architecture from emulator '{own}' doesn't match given architecture '{wanted}'",
            domain=ErrorDomain.QEMU,
        )
    if own not in SERVED:
        raise ConfigUnsupported(
            f"guests of architecture '{own}' are not supported yet", domain=ErrorDomain.QEMU
        )
    by_kvm = verdict.usable and runs_on_host(own)
    if type == "kvm" and not by_kvm:
        reason = verdict.reason if runs_on_host(own) else f"this host is {os.uname().machine}"
        raise InvalidArg(
            f"KVM is not supported by '{caps.path}' on this host: {reason}",
            domain=ErrorDomain.QEMU,
            remedy="type 'qemu' emulates",
        )
    if type not in (None, "qemu", "kvm"):
        raise InvalidArg(
            f"Emulator '{caps.path}' does not support virt type '{type}'", domain=ErrorDomain.QEMU
        )
    name = machine or caps.default_machine
    if name is None:
        raise InvalidArg(f"emulator '{caps.path}' has no default machine", domain=ErrorDomain.QEMU)
    try:
        found = caps.machine(name)
    except ConfigUnsupported as exc:
        raise InvalidArg(
            f"the machine '{name}' is not supported by emulator '{caps.path}'",
            domain=ErrorDomain.QEMU,
        ) from exc
    return Kind(caps, own, found, type or ("kvm" if by_kvm else "qemu"))


def document(kind: Kind, firmware: Sequence[Firmware]) -> str:
    """The document as text; *kind* has all parts of its capabilities."""
    devices = GuestDevices(kind.caps, kind.arch, kind.machine.name)
    text = [
        "<domainCapabilities>",
        f"  <path>{escape(kind.caps.path)}</path>",
        f"  <domain>{kind.type}</domain>",
        f"  <machine>{escape(kind.machine.name)}</machine>",
        f"  <arch>{kind.arch}</arch>",
        f"  <vcpu max='{kind.machine.cpu_max}'/>",
        "  <iothreads supported='yes'/>",
        *_os(firmware),
        *_cpu(kind),
        *lines("memoryBacking", {"sourceType": memory_sources()}, 2),
        "  <devices>",
        *(line for name, enums in devices.kinds() for line in lines(name, enums, 4)),
        "  </devices>",
        "  <features>",
        *(line for name, enums in devices.features() for line in lines(name, enums, 4)),
        "  </features>",
        "</domainCapabilities>",
        "",
    ]
    return "\n".join(text)


def _yes(state: bool) -> str:
    return "yes" if state else "no"


def _os(firmware: Sequence[Firmware]) -> Iterator[str]:
    yield "  <os supported='yes'>"
    kinds = [kind for kind in ("bios", "efi") if any(kind in one.kinds for one in firmware)]
    yield from enumeration("firmware", kinds, 4)
    yield "    <loader supported='yes'>"
    for one in firmware:
        yield f"      <value>{escape(one.path)}</value>"
    yield from enumeration("type", ("rom", "pflash"), 6)
    yield from enumeration("readonly", ("yes", "no"), 6)
    yield from enumeration(
        "secure", ("yes", "no") if any(one.secure for one in firmware) else ("no",), 6
    )
    yield "    </loader>"
    yield "  </os>"


def _cpu(kind: Kind) -> Iterator[str]:
    yield "  <cpu>"
    if kind.type == "kvm":
        yield "    <mode name='host-passthrough' supported='yes'>"
        yield from enumeration("hostPassthroughMigratable", ("on", "off"), 6)
        yield "    </mode>"
    else:
        yield "    <mode name='host-passthrough' supported='no'/>"
    yield "    <mode name='maximum' supported='yes'>"
    yield from enumeration("maximumMigratable", ("on", "off"), 6)
    yield "    </mode>"
    yield from _host_model(kind)
    models = plain_models(kind.caps)
    yield f"    <mode name='custom' supported='{_yes(bool(models))}'{'' if models else '/'}>"
    for name in sorted(models, reverse=True):  # as libvirt has them
        yield _model(kind, name)
    if models:
        yield "    </mode>"
    yield "  </cpu>"


def _host_model(kind: Kind) -> Iterator[str]:
    """The model that a guest with ``<cpu mode='host-model'/>`` gets."""
    processor = emulated_processor() if kind.type == "qemu" else read_features()
    if kind.arch not in ("x86_64", "i686") or processor is None:
        yield "    <mode name='host-model' supported='no'/>"
        return
    allowed = [model.name for model in kind.caps.cpu_models]
    found = decode(processor, host=False, allowed=allowed)
    yield "    <mode name='host-model' supported='yes'>"
    yield f"      <model fallback='forbid'>{escape(found.model)}</model>"
    if processor.vendor is not None:
        yield f"      <vendor>{escape(processor.vendor)}</vendor>"
    for name, policy in plain(found):
        yield f"      <feature policy='{policy}' name='{name}'/>"
    yield "    </mode>"


def _model(kind: Kind, name: str) -> str:
    model = kind.caps.cpu_model(name)
    usable = "unknown"
    if kind.type == "qemu" and model.unavailable is not None:  # known of TCG only
        usable = _yes(not model.unavailable)
    deprecated = " deprecated='yes'" if model.deprecated else ""
    vendor = vendor_of(name) or "unknown"
    return f"      <model usable='{usable}'{deprecated} vendor='{vendor}'>{escape(name)}</model>"
