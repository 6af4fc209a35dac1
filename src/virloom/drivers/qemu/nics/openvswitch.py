# SPDX-License-Identifier: Apache-2.0
"""Taps that are ports of Open vSwitch: what its database is told, in one transaction each.

Ports and what limits them carry the names that libvirt gives them (``external-ids``), by which
controllers know a guest's card. Unlike the kernel's bridges the database keeps a port whose tap
has gone, so it is taken out when the guest ends (:mod:`virloom.drivers.qemu.nics.partings`).
Columns are those of ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, SystemFailure
from virloom.host.process import run
from virloom.model.domain import Interface
from virloom.model.domain.devices.interface_parts import Bandwidth as CardBandwidth
from virloom.model.network.traffic import Bandwidth
from virloom.model.traffic import Rate, Vlan

#: Seconds that its daemons have for an answer; libvirt's ``ovs_timeout``.
_PATIENCE = 5
_LIMITS = ("qos", "queue")


async def plug(interface: Interface, owner: str) -> None:
    """Makes the card's tap a port of its bridge, in place of what is left of an earlier one.

    Args:
        owner: UUID of the guest.

    Raises:
        InternalError: There is no such bridge of Open vSwitch, or its daemons do not answer.
    """
    tap, bridge = interface.target.dev or "", interface.source.bridge or ""
    argv = ["--if-exists", "del-port", tap, "--", "add-port", bridge, tap]
    argv += vlan_columns(interface.vlan)
    for column in identity(interface, owner):
        argv += ["--", "set", "Interface", tap, column]
    _check_names(tap, bridge)
    await _change(argv, f"Unable to add port {tap} to OVS bridge {bridge}")


def _check_names(*names: str) -> None:
    """A word of a command line that would be an option is no name of a link here."""
    for name in names:
        if name.startswith("-"):
            raise InternalError(f"'{name}' cannot be a port or bridge of Open vSwitch")


def identity(interface: Interface, owner: str) -> Iterator[str]:
    """What the port says of whose it is."""
    port = interface.virtualport
    parameters = port.parameters if port is not None else None
    named = {"attached-mac": interface.mac.address, "vm-id": owner, "iface-status": "active"}
    if parameters is not None:
        named["iface-id"] = parameters.interfaceid
        named["port-profile"] = parameters.profileid
        if parameters.profileid:
            named["ifname"] = interface.target.dev
    for name, value in named.items():
        if value:
            yield f"external-ids:{name}={json.dumps(value)}"


def vlan_columns(vlan: Vlan | None) -> list[str]:
    """A port's VLANs: the one of all its frames, or those that it may tag, and the native one."""
    if vlan is None or not vlan.tags:
        return []
    native = next((tag for tag in vlan.tags if tag.native_mode is not None), None)
    columns = []
    if native is not None:
        columns += [f"vlan_mode=native-{native.native_mode}", f"tag={native.id}"]
    if vlan.trunk or native is not None:
        columns.append("trunks=" + ",".join(str(tag.id) for tag in vlan.tags))
    else:
        columns.append(f"tag={vlan.tags[0].id}")
    return columns


async def change_vlan(tap: str, vlan: Vlan | None) -> None:
    """Gives a port other VLANs.

    Raises:
        InternalError: The daemons of Open vSwitch do not answer, or there is no such port.
    """
    argv = ["clear", "Port", tap, "tag", "trunks", "vlan_mode"]
    columns = vlan_columns(vlan)
    if columns:
        argv += ["--", "set", "Port", tap, *columns]
    await _change(argv, f"Unable to set vlan configuration on port {tap}")


async def limit(tap: str, owner: str, wanted: Bandwidth | CardBandwidth | None) -> None:
    """Limits a port's traffic, in place of what limited it before; None takes the limits away.

    Raises:
        InternalError: The daemons of Open vSwitch do not answer, or there is no such port.
    """
    former = await _limits_of(tap, owner)
    sent = wanted.inbound if wanted is not None else None
    received = wanted.outbound if wanted is not None else None
    argv = ["set", "Interface", tap, *_policing(received), "--", "clear", "Port", tap, "qos"]
    argv += _destroying(former)
    if sent is not None and sent.average:
        argv += _shaping(tap, owner, sent)
    await _change(argv, f"Unable to set bandwidth limits of port {tap}")


def _policing(rate: Rate | None) -> tuple[str, str]:
    """What is dropped of what comes from the guest: kilobits a second, and kilobits at once."""
    rate = rate or Rate()
    return (
        f"ingress_policing_rate={(rate.average or 0) * 8}",
        f"ingress_policing_burst={(rate.burst or 0) * 8}",
    )


def _shaping(tap: str, owner: str, rate: Rate) -> Iterator[str]:
    """A queue for what goes to the guest: bits a second, and bits at once."""
    limits = [f"other_config:min-rate={(rate.average or 0) * 8000}"]
    if rate.burst:
        limits.append(f"other_config:burst={rate.burst * 8192}")
    if rate.peak:
        limits.append(f"other_config:max-rate={rate.peak * 8000}")
    names = _names(tap, owner)
    yield from ("--", "set", "Port", tap, "qos=@qos", *names)
    yield from ("--", "--id=@qos", "create", "QoS", "type=linux-htb", "queues:0=@queue")
    yield from (*limits, *names)
    yield from ("--", "--id=@queue", "create", "Queue", *limits, *names)


def _names(tap: str, owner: str) -> tuple[str, str]:
    return f"external-ids:vm-id={json.dumps(owner)}", f"external-ids:ifname={json.dumps(tap)}"


async def _limits_of(tap: str, owner: str) -> list[tuple[str, str]]:
    """Tables and UUIDs of what limits the port."""
    found = []
    for table in _LIMITS:
        argv = ["--no-heading", "--columns=_uuid", "find", table, *_names(tap, owner)]
        said = await _ask(argv, f"Unable to find the limits of port {tap}")
        found += [(table, uuid) for uuid in said.split()]
    return found


def _destroying(limits: Sequence[tuple[str, str]]) -> Iterator[str]:
    for table, uuid in limits:
        yield from ("--", "--if-exists", "destroy", table, uuid)


async def unplug(tap: str, owner: str) -> None:
    """Takes the guest's port out of the database, with its limits; another's of that name stays.

    It does not wait for the switch: nothing comes of a tap that has gone.

    Raises:
        InternalError: The database does not answer.
    """
    what = f"Unable to delete port {tap} from OVS"
    _check_names(tap)
    told = await _ask(["--if-exists", "get", "Interface", tap, "external_ids:vm-id"], what)
    if told.strip().strip('"') == owner:
        await _ask(["--no-wait", "--if-exists", "del-port", tap], what)
    limits = await _limits_of(tap, owner)  # which nothing refers to any more
    if limits:
        await _ask(["--no-wait", *_destroying(limits)], what)


async def _change(argv: Sequence[str], what: str) -> None:
    await _ask(["--", *argv], what)


async def _ask(argv: Sequence[str], what: str) -> str:
    try:
        done = await run(["ovs-vsctl", f"--timeout={_PATIENCE}", *argv], timeout=2 * _PATIENCE)
    except SystemFailure as exc:
        raise InternalError(
            f"{what}: {exc.message}",
            domain=ErrorDomain.NONE,
            remedy="ovs-vsctl comes with the package openvswitch-switch",
        ) from exc
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else "the daemons of Open vSwitch do not answer"
        raise InternalError(f"{what}: {reason}", domain=ErrorDomain.NONE)
    return done.stdout.decode(errors="replace")
