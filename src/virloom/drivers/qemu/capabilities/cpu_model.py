# SPDX-License-Identifier: Apache-2.0
"""x86 processors as model plus differences: decoding, comparing, and the largest common part.

The rules are those of libvirt 9's x86 driver; models and features are QEMU's own
(:mod:`~virloom.drivers.qemu.capabilities.cpu_table`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from virloom.drivers.qemu.capabilities.cpu_table import FEATURES, MODELS
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, OperationFailed
from virloom.model.domain import Cpu, CpuFeature

#: Who makes a model; None for those that no maker sells.
_VENDORS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"athlon|phenom|Opteron_G[0-9]|EPYC.*"), "AMD"),
    (re.compile(r"Dhyana"), "Hygon"),
    (re.compile(r"486|pentium[23]?|(qemu|kvm)(32|64)|base|max"), None),
    (re.compile(r".*"), "Intel"),
)
#: libvirt's names of what CPUID says.
VENDOR_NAMES = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon"}

_NO_MODELS = ("max", "base")
#: What a guest cannot take along to another host.
_NOT_MIGRATABLE = frozenset({"invtsc"})
#: Registers in the order in which libvirt lists the features of a leaf.
_REGISTERS = {"edx": 0, "ecx": 1, "eax": 2, "ebx": 3}
_EXTENDED = {"ebx": 0, "ecx": 1, "edx": 2, "eax": 3}


class Described(NamedTuple):
    """A processor: the model that is nearest, and what it has more and less.

    Attributes:
        model: Its name.
        require: Features beyond the model, in order.
        disable: Features that it lacks of the model.
    """

    model: str
    require: tuple[str, ...]
    disable: tuple[str, ...]


class Processor(NamedTuple):
    """What some processor has.

    Attributes:
        vendor: ``AMD``, ``Intel``, ``Hygon`` or None.
        features: By name.
        signature: Family and model; None where there is none.
    """

    vendor: str | None
    features: frozenset[str]
    signature: tuple[int, int] | None = None


def vendor_of(model: str) -> str | None:
    """Who makes processors of that model."""
    return next(vendor for pattern, vendor in _VENDORS if pattern.fullmatch(model))


@cache
def model_features(model: str) -> frozenset[str]:
    """What a model has.

    Raises:
        InternalError: There is no such model.
    """
    if model not in MODELS:
        raise InternalError(f"Unknown CPU model {model}", domain=ErrorDomain.CPU)
    return frozenset(MODELS[model][4].split())


def model_names() -> list[str]:
    """All models."""
    return [name for name in MODELS if name not in _NO_MODELS]


def in_order(features: Iterable[str]) -> list[str]:
    """Features as libvirt lists them: by their place in CPUID."""

    def place(name: str) -> tuple[object, ...]:
        leaf, sub, register, bit = FEATURES[name]
        order = _EXTENDED if leaf == 7 else _REGISTERS
        return register == "msr", leaf, sub, order.get(register, 0), bit

    return sorted(features, key=place)


def decode(
    processor: Processor, *, host: bool, allowed: Collection[str] | None = None
) -> Described:
    """The model that tells most about *processor*.

    Args:
        host: It lacks nothing of the model; a guest's may.
        allowed: Models to choose from.

    Raises:
        OperationFailed: No model fits.
    """
    best: Described | None = None
    for model in reversed(model_names()):
        if allowed is not None and model not in allowed:
            continue
        vendor = vendor_of(model)
        if vendor is not None and processor.vendor not in (None, vendor):
            continue
        has = model_features(model)
        disable = tuple(in_order(has - processor.features))
        if host and disable:
            continue
        found = Described(model, tuple(in_order(processor.features - has)), disable)
        if best is None or _nearer(found, best, processor.signature):
            best = found
    if best is None:
        raise OperationFailed("no CPU model fits the processor", domain=ErrorDomain.CPU)
    return best


def _nearer(one: Described, other: Described, signature: tuple[int, int] | None) -> bool:
    if signature is not None:
        fits = [MODELS[item.model][1:3] == signature for item in (one, other)]
        if fits[0] != fits[1]:
            return fits[0]
    return _differences(one) < _differences(other)


def _differences(item: Described) -> int:
    return len(item.require) + len(item.disable)


def check_features(cpu: Cpu) -> None:
    """Refuses features that nobody knows.

    Raises:
        InternalError: One of them is unknown.
    """
    for feature in cpu.features:
        if feature.name not in FEATURES:
            raise InternalError(f"Unknown CPU feature {feature.name}", domain=ErrorDomain.CPU)


def processor_of(cpu: Cpu) -> Processor:
    """What the processor of a document has at least.

    Raises:
        InternalError: Its model or a feature is unknown.
        ConfigUnsupported: It names no model.
    """
    if not cpu.model.value:
        raise ConfigUnsupported("the CPU has no model", domain=ErrorDomain.CPU)
    features = set(model_features(cpu.model.value))
    check_features(cpu)
    for feature in cpu.features:
        if feature.policy in (None, "require", "force"):
            features.add(feature.name or "")
        else:
            features.discard(feature.name or "")
    return Processor(cpu.vendor, frozenset(features))


def emulated_processor() -> Processor:
    """The most that QEMU 7.2 emulates without KVM: what its model ``max`` has then."""
    maker = VENDOR_NAMES.get(MODELS["max"][0])
    # Its family and model are those of no processor that is sold.
    return Processor(maker, model_features("max"))


class Comparison(NamedTuple):
    """How a host relates to what is asked of it.

    Attributes:
        missing: Features that the host lacks.
        forbidden: Features that it must not have, and has.
        vendor: The vendor that it would have to be of.
        beyond: Whether it has more than is asked.
    """

    missing: tuple[str, ...]
    forbidden: tuple[str, ...]
    vendor: str | None
    beyond: bool

    @property
    def reason(self) -> str:
        """Why it does not do; empty if it does."""
        if self.vendor:
            return f"host CPU vendor does not match required CPU vendor {self.vendor}"
        if self.forbidden:
            return f"Host CPU provides forbidden features: {', '.join(self.forbidden)}"
        if self.missing:
            return f"Host CPU does not provide required features: {', '.join(self.missing)}"
        return ""


def compare(host: Processor, cpu: Cpu) -> Comparison:
    """Whether *host* can be what *cpu* asks for.

    Raises:
        InternalError: A model or a feature is unknown.
    """
    wanted = processor_of(cpu).features
    forced = {f.name for f in cpu.features if f.policy == "force"}
    forbidden = {f.name for f in cpu.features if f.policy == "forbid" and f.name is not None}
    vendor = cpu.vendor if cpu.vendor is not None and cpu.vendor != host.vendor else None
    return Comparison(
        tuple(in_order(wanted - host.features - forced)),
        tuple(in_order(forbidden & host.features)),
        vendor,
        bool(host.features - wanted),
    )


def baseline(
    cpus: Sequence[Cpu],
    *,
    allowed: Collection[str] | None = None,
    migratable: bool = False,
) -> tuple[Described, str | None]:
    """The best processor that all of *cpus* can be, and its vendor if all name the same.

    Args:
        allowed: Models to choose from.

    Raises:
        OperationFailed: Their vendors differ, or no model fits.
    """
    processors = [processor_of(cpu) for cpu in cpus]
    named = {cpu.vendor for cpu in cpus if cpu.vendor is not None}
    if len(named) > 1:
        raise OperationFailed("CPU vendors do not match", domain=ErrorDomain.CPU)
    common = frozenset.intersection(*(processor.features for processor in processors))
    if migratable:
        common -= _NOT_MIGRATABLE
    makers = {vendor_of(cpu.model.value or "") for cpu in cpus}
    vendor = makers.pop() if len(makers) == 1 else None
    chosen = decode(Processor(vendor, common), host=False, allowed=allowed)
    shown = named.pop() if named and all(cpu.vendor is not None for cpu in cpus) else None
    return chosen, shown


def expanded(described: Described) -> list[tuple[str, str]]:
    """Every feature with its policy, by name."""
    has = model_features(described.model)
    policies = dict.fromkeys([*has, *described.require], "require")
    policies.update(dict.fromkeys(described.disable, "disable"))
    return sorted(policies.items())


def plain(described: Described) -> list[tuple[str, str]]:
    """The features beyond the model, and those that it has and this has not."""
    require = [(name, "require") for name in described.require]
    return require + [(name, "disable") for name in described.disable]


def settle_host_model(cpu: Cpu, host: Processor) -> None:
    """Makes of ``mode='host-model'`` the model and features that it stands for, in place.

    What the document says of single features stays.

    Raises:
        OperationFailed: No model fits.
    """
    found = decode(host, host=False)
    own = {feature.name for feature in cpu.features}
    cpu.mode, cpu.match = "custom", "exact"
    cpu.model.value, cpu.model.fallback = found.model, "forbid"
    cpu.vendor = host.vendor
    cpu.features += [
        CpuFeature(name=name, policy=policy) for name, policy in plain(found) if name not in own
    ]


def settle_custom(cpu: Cpu, host: Processor) -> None:
    """Decides what a document with a model leaves to the host, in place.

    Optional features are there or not; where a model is a minimum, the guest gets what the host
    has, but for what the document says of single features.

    Raises:
        OperationFailed: No model fits the host.
    """
    for feature in cpu.features:
        if feature.policy == "optional":
            feature.policy = "require" if feature.name in host.features else "disable"
    if cpu.match == "minimum":
        said = cpu.features
        names = {feature.name for feature in said}
        cpu.features = []
        settle_host_model(cpu, host)
        cpu.features = [feature for feature in cpu.features if feature.name not in names] + said
    cpu.model.fallback = "forbid"
