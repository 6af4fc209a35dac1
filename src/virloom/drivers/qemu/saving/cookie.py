# SPDX-License-Identifier: Apache-2.0
"""What a saved guest's file says beside the document: how it was run, as libvirt 9 writes it.

::

    <cookie>
      <cpu mode='custom' match='exact' check='full'>…</cpu>
      <slirpHelper/>
    </cookie>

The processor is the one that the guest has got, where that is another than the document asks for;
a restored guest is given just that one. All its features are named, those of the model as well:
what a model has is not the same everywhere (libvirt's ``qemu64`` lacks ``lahf_lm``, QEMU's has it).
``<slirpHelper/>`` says that a helper may serve the guest's user networks: libvirt leaves it out
where QEMU serves them itself, and a restored guest has no helper then.
"""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.cpu_model import in_order, model_features
from virloom.drivers.qemu.capabilities.cpu_table import FEATURES, MODELS
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Cpu, CpuFeature, Domain
from virloom.xml import FormatFlags, format_document, parse_document
from virloom.xml.element import Element
from virloom.xml.fields import child, flag


class Cookie(Element):
    """``<cookie>``."""

    tag = "cookie"
    error_domain = ErrorDomain.QEMU

    cpu: Cpu | None = child(Cpu)
    slirp_helper: bool = flag("slirpHelper")


def cookie_of(running: RunningGuest) -> str:
    """The cookie of a guest that is saved now, with the document of its migratable tree."""
    cpu, asked = running.model.cpu, running.migratable_model().cpu
    another = None
    if cpu is not None and asked is not None and asked is not cpu:
        another = spelled_out(cpu, asked.check)
    made = Cookie(
        cpu=another,
        slirp_helper=not _user_networks(running.model),
    )
    return format_document(made, FormatFlags.STATUS)


def processor_in(text: str) -> Cpu | None:
    """The processor that the guest of this cookie had; None where the document has it.

    Raises:
        XmlError: It is no cookie.
    """
    cpu = parse_document(Cookie, text).cpu if text else None
    return None if cpu is None else shortened(cpu)


def spelled_out(cpu: Cpu, check: str | None) -> Cpu:
    """The same processor, with the features of its model named.

    Args:
        check: How closely the document wants it checked. More than that cannot be asked of libvirt:
            some of its models have features (``vme``) that QEMU's, and the guest, do not have.
    """
    named = {feature.name for feature in cpu.features}
    silent = [name for name in in_order(_of_model(cpu)) if name not in named]
    made = cpu.copy()
    made.check = check
    made.features += [CpuFeature(name=name, policy="require") for name in silent]
    return made


def shortened(cpu: Cpu) -> Cpu:
    """The same processor, to be checked wholly; features that its model has are not named."""
    has = _of_model(cpu)
    made = cpu.copy()
    made.check = "full"
    made.features = [
        feature
        for feature in cpu.features
        if feature.policy != "require" or feature.name not in has
    ]
    return made


def _of_model(cpu: Cpu) -> frozenset[str]:
    """What a model has, as far as CPUID tells; nothing is known of some."""
    model = cpu.model.value or ""
    if cpu.mode != "custom" or model not in MODELS:
        return frozenset()
    return frozenset(name for name in model_features(model) if FEATURES[name][2] != "msr")


def check_helpers(text: str, model: Domain) -> None:
    """Refuses a guest whose user networks a helper served: its state is in the stream.

    Raises:
        ConfigUnsupported: Nothing here runs such a helper.
        XmlError: It is no cookie.
    """
    if text and parse_document(Cookie, text).slirp_helper and _user_networks(model):
        raise ConfigUnsupported(
            "the saved guest has a user network served by slirp-helper, which nobody runs here",
            domain=ErrorDomain.QEMU,
        )


def _user_networks(model: Domain) -> bool:
    return any(
        interface.type == "user" and interface.backend.type != "passt"
        for interface in model.devices.interfaces
    )
