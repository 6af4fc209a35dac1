# SPDX-License-Identifier: Apache-2.0
"""Snapshots and checkpoints of a domain: their tree, the calls that list them, their documents."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.runtime.checkpoints import align_disks, parse_checkpoint
from virloom.drivers.runtime.moments import LEAVES, NO_LEAVES, ROOTS, Moments, is_wanted, parent_of
from virloom.drivers.runtime.snapshot_listing import SnapshotListing, Tree
from virloom.endpoint.dispatch import Call, Dispatcher
from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotListFlags as Flags
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    NoDomainSnapshot,
    OperationFailed,
    XmlInvalidSchema,
)
from virloom.model.domain import Domain
from virloom.model.snapshot import Snapshot
from virloom.procedures import domain as p
from virloom.procedures.record import Procedure
from virloom.procedures.types import NonnullDomain
from virloom.xml import parse_document

DOM = NonnullDomain("web", bytes(16), -1)


def snapshot(name: str, state: str = "running", place: str = "internal") -> Snapshot:
    return parse_document(
        Snapshot,
        f"<domainsnapshot><name>{name}</name><state>{state}</state>"
        f"<memory snapshot='{place}'/></domainsnapshot>",
    )


@pytest.fixture
def moments() -> Moments[Snapshot]:
    """a ─ b ─ c, and d after a."""
    made: Moments[Snapshot] = Moments()
    for name in "abc":
        made.add(snapshot(name))
    made.current = "a"
    made.add(snapshot("d", "disk-snapshot", "external"))
    return made


def names(found: list[Snapshot]) -> str:
    return "".join(one.name or "" for one in found)


def test_what_is_below_what(moments: Moments[Snapshot]) -> None:
    assert names(moments.below("a", deep=False)) == "bd"
    assert names(moments.listed(0)) == "abcd"
    assert names(moments.listed(ROOTS)) == "a"
    assert names(moments.listed(0, "a")) == "bd"
    assert names(moments.listed(ROOTS, "a")) == "bcd"
    assert names(moments.listed(LEAVES)) == "cd"
    assert names(moments.listed(NO_LEAVES)) == "ab"
    with pytest.raises(OperationFailed, match="moment b already exists"):
        moments.add(snapshot("b"))


def test_what_is_left_moves_up(moments: Moments[Snapshot]) -> None:
    b = moments.get("b")
    assert b is not None
    moments.remove(b)
    assert [parent_of(one) for one in moments] == [None, "a", "a"]
    moments.current = "c"
    a = moments.get("a")
    assert a is not None
    moments.remove(a, children=True, itself=False)
    assert (names(list(moments)), moments.current) == ("a", "a")
    moments.remove(a)
    assert (len(moments), moments.current) == (0, None)
    moments.replace(a)
    moments.clear()
    assert moments.get("a") is None


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (0, "ioe"),
        (Flags.ACTIVE, "i"),
        (Flags.INACTIVE, "o"),
        (Flags.DISK_ONLY, "e"),
        (Flags.EXTERNAL, "e"),
        (Flags.INTERNAL | Flags.ACTIVE, "i"),
        (Flags.NO_METADATA, ""),
        (Flags.NO_METADATA | Flags.METADATA, "ioe"),
    ],
)
def test_kinds_of_snapshots(flags: int, wanted: str) -> None:
    kinds = [snapshot("i"), snapshot("o", "shutoff"), snapshot("e", "disk-snapshot", "external")]
    assert names([one for one in kinds if is_wanted(one, flags)]) == wanted


class Listing(SnapshotListing):
    """The snapshots of one domain."""

    error_domain = ErrorDomain.QEMU
    prefix = "qemu"

    def __init__(self, moments: Moments[Snapshot]) -> None:
        self._moments = moments

    def tree(self, dom: NonnullDomain) -> Tree:
        return Tree(dom, self._moments)


def test_calls_that_list(moments: Moments[Snapshot]) -> None:
    driver = Listing(moments)

    def ask(procedure: Procedure[Any, Any], *given: Any) -> Any:
        session = Session(Identity(), lambda procedure, message, encoded: None)
        call = Call(session, procedure)
        return Dispatcher([driver]).start(call, procedure.args(*given))

    a, c = p.NonnullDomainSnapshot("a", DOM), p.NonnullDomainSnapshot("c", DOM)
    assert ask(p.DOMAIN_SNAPSHOT_NUM, DOM, 0).num == 4
    assert ask(p.DOMAIN_SNAPSHOT_LIST_NAMES, DOM, 2, 0).names == ["a", "b"]
    found = ask(p.DOMAIN_LIST_ALL_SNAPSHOTS, DOM, 0, 0)
    assert (found.snapshots, found.ret) == ([], 4)
    assert ask(p.DOMAIN_SNAPSHOT_NUM_CHILDREN, a, 0).num == 2
    assert ask(p.DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES, a, 9, ROOTS).names == ["b", "c", "d"]
    assert len(ask(p.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN, a, 1, 0).snapshots) == 2
    assert ask(p.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, DOM, "c", 0).snap == c
    assert ask(p.DOMAIN_HAS_CURRENT_SNAPSHOT, DOM, 0).result == 1
    assert ask(p.DOMAIN_SNAPSHOT_CURRENT, DOM, 0).snap.name == "d"
    assert ask(p.DOMAIN_SNAPSHOT_IS_CURRENT, a, 0).current == 0
    assert ask(p.DOMAIN_SNAPSHOT_HAS_METADATA, a, 0).metadata == 1
    assert ask(p.DOMAIN_SNAPSHOT_GET_PARENT, c, 0).snap.name == "b"
    with pytest.raises(NoDomainSnapshot, match="'a' does not have a parent"):
        ask(p.DOMAIN_SNAPSHOT_GET_PARENT, a, 0)
    with pytest.raises(NoDomainSnapshot, match="matching name 'z'"):
        ask(p.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, DOM, "z", 0)
    with pytest.raises(InvalidArg, match="function qemuDomainSnapshotNum"):
        ask(p.DOMAIN_SNAPSHOT_NUM, DOM, 1 << 20)
    moments.clear()
    with pytest.raises(NoDomainSnapshot, match="does not have a current snapshot"):
        ask(p.DOMAIN_SNAPSHOT_CURRENT, DOM, 0)


GUEST = parse_document(
    Domain,
    """<domain type='qemu'><name>web</name><devices>
    <disk type='file'><source file='/a.qcow2'/><target dev='vda'/></disk>
    <disk type='file'><source file='/b.qcow2'/><target dev='vdb'/></disk>
    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk></devices></domain>""",
)


def disks(text: str) -> dict[str | None, tuple[str | None, str | None]]:
    model = parse_checkpoint(
        f"<domaincheckpoint><name>now</name><disks>{text}</disks></domaincheckpoint>"
    )
    align_disks(model, GUEST)
    return {disk.name: (disk.checkpoint, disk.bitmap) for disk in model.disks.disks}


def test_disks_of_a_checkpoint() -> None:
    no = ("no", None)
    assert disks("") == {"vda": ("bitmap", "now"), "vdb": ("bitmap", "now"), "sda": no}
    assert disks("<disk name='/b.qcow2' bitmap='x'/>") == {
        "vda": no,
        "vdb": ("bitmap", "x"),
        "sda": no,
    }
    assert disks("<disk name='vda' checkpoint='no'/>")["vda"] == no


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("<disk name='vdz'/>", ConfigUnsupported, "no disk named 'vdz'"),
        ("<disk name='vda'/><disk name='/a.qcow2'/>", ConfigUnsupported, "specified twice"),
        ("<disk name='sda'/>", ConfigUnsupported, "empty or readonly"),
        ("<disk name='no target'/>", XmlInvalidSchema, "is no disk's name"),
    ],
)
def test_disks_that_no_checkpoint_has(text: str, error: type[ConfigUnsupported], why: str) -> None:
    with pytest.raises(error, match=why):
        disks(text)


def test_names_of_checkpoints() -> None:
    with pytest.raises(XmlInvalidSchema, match=r"'\.\./x' is no name"):
        parse_checkpoint("<domaincheckpoint><name>../x</name></domaincheckpoint>")
    assert (parse_checkpoint("<domaincheckpoint/>").name or "").isdigit()
