# SPDX-License-Identifier: Apache-2.0
"""What is asked: whole messages for the load generator, which fills the serials in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from virloom.enums.domain import DomainCreateFlags
from virloom.procedures import connect, domain
from virloom.procedures.record import VOID, Procedure
from virloom.procedures.types import NonnullDomain
from virloom.rpc.packet import Header, pack
from virloom.rpc.xdr import codec_for

URI = "qemu:///system"
_NAMES = uuid.UUID("6c4e2f0a-0000-4000-8000-000000000000")


def message(procedure: Procedure[Any, Any], args: Any = VOID) -> bytes:
    """One call."""
    header = Header(procedure.program, 1, procedure.number, 0, 0, 0)
    return pack(header, codec_for(type(args)).encode(args))


def greeting(*more: bytes) -> bytes:
    """What a client says first."""
    opened = message(connect.CONNECT_OPEN, connect.ConnectOpenArgs(URI, 0))
    return b"".join((message(connect.AUTH_LIST), opened, *more))


def reference(name: str) -> NonnullDomain:
    """The domain that :func:`document` and :func:`small_document` describe under this name."""
    return NonnullDomain(name, uuid.uuid5(_NAMES, name).bytes, -1)


def names(count: int) -> list[str]:
    """Names of domains."""
    return [f"guest-{number:05}" for number in range(count)]


def document(name: str) -> str:
    """A usual domain: two disks, a network card, a display; to be defined, never started."""
    ref = uuid.UUID(bytes=reference(name).uuid)
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{ref}</uuid>"
        "<memory unit='MiB'>512</memory><vcpu>2</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>"
        "<features><acpi/><apic/></features><cpu mode='host-model'/><clock offset='utc'/><devices>"
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='/var/lib/libvirt/images/{name}.qcow2'/><target dev='vda' bus='virtio'/>"
        "</disk><disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
        "<interface type='user'><model type='virtio'/></interface>"
        "<serial type='pty'/><channel type='unix'>"
        "<target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
        "</devices></domain>"
    )


def small_document(name: str) -> str:
    """A domain that can be started anywhere, paused."""
    ref = uuid.UUID(bytes=reference(name).uuid)
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{ref}</uuid>"
        "<memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<devices><controller type='usb' model='none'/><memballoon model='none'/></devices>"
        "</domain>"
    )


def define(text: str) -> bytes:
    """Defines a domain."""
    return message(domain.DOMAIN_DEFINE_XML_FLAGS, domain.DomainDefineXMLFlagsArgs(text, 0))


def undefine(name: str) -> bytes:
    """Undefines one."""
    args = domain.DomainUndefineFlagsArgs(reference(name), 0)
    return message(domain.DOMAIN_UNDEFINE_FLAGS, args)


def create(name: str) -> bytes:
    """Creates a small domain, paused."""
    args = domain.DomainCreateXMLArgs(small_document(name), int(DomainCreateFlags.START_PAUSED))
    return message(domain.DOMAIN_CREATE_XML, args)


def destroy(name: str) -> bytes:
    """Destroys one."""
    return message(domain.DOMAIN_DESTROY, domain.DomainDestroyArgs(reference(name)))


def version() -> bytes:
    """The lightest call of all."""
    return message(connect.CONNECT_GET_LIB_VERSION)


def look_up(name: str) -> bytes:
    """A domain by its name."""
    return message(domain.DOMAIN_LOOKUP_BY_NAME, domain.DomainLookupByNameArgs(name))


def info(name: str) -> bytes:
    """State, memory, processors."""
    return message(domain.DOMAIN_GET_INFO, domain.DomainGetInfoArgs(reference(name)))


def state(name: str) -> bytes:
    """The state alone."""
    return message(domain.DOMAIN_GET_STATE, domain.DomainGetStateArgs(reference(name), 0))


def xml(name: str) -> bytes:
    """The document."""
    return message(domain.DOMAIN_GET_XML_DESC, domain.DomainGetXMLDescArgs(reference(name), 0))


def listing() -> bytes:
    """All domains."""
    args = domain.ConnectListAllDomainsArgs(1, 0)
    return message(domain.CONNECT_LIST_ALL_DOMAINS, args)


def statistics() -> bytes:
    """All figures of all domains."""
    args = domain.ConnectGetAllDomainStatsArgs([], 0, 0)
    return message(domain.CONNECT_GET_ALL_DOMAIN_STATS, args)


def listen() -> bytes:
    """Registers for the life-cycle events of all domains."""
    args = domain.ConnectDomainEventCallbackRegisterAnyArgs(0, None)
    return message(domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, args)


def joined(messages: Iterable[bytes]) -> bytes:
    """Several, as the load generator takes them."""
    return b"".join(messages)
