# SPDX-License-Identifier: Apache-2.0
"""Numbers of vCPUs in documents."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.tuning.vcpus import (
    check_choice,
    check_count,
    present,
    set_count,
    set_most,
    set_some,
)
from virloom.errors import InvalidArg
from virloom.model.domain import Domain
from virloom.xml import format_document, parse_document


def domain(body: str) -> Domain:
    return parse_document(Domain, f"<domain type='qemu'><name>d</name>{body}</domain>")


def switches(dom: Domain) -> str:
    """One letter per vCPU: present or absent, upper case for one that can be unplugged."""
    assert dom.vcpus is not None
    letters = []
    for vcpu in dom.vcpus.vcpus:
        letter = "p" if vcpu.enabled else "a"
        letters.append(letter.upper() if vcpu.hotpluggable else letter)
    return "".join(letters)


def test_a_plain_number_stays_one() -> None:
    dom = domain("<vcpu current='2'>4</vcpu>")
    set_count(dom, 4, hotpluggable=False)
    assert (dom.vcpu.current, dom.vcpus) == (None, None)
    set_count(dom, 1, hotpluggable=True)
    assert (dom.vcpu.current, present(dom)) == (1, [0])
    set_count(dom, 1, hotpluggable=True)
    assert dom.vcpus is None


def test_some_that_can_be_unplugged_are_told_apart() -> None:
    dom = domain("<vcpu current='1'>4</vcpu>")
    set_count(dom, 3, hotpluggable=True)
    assert switches(dom) == "pPPA"
    set_count(dom, 2, hotpluggable=False)
    assert switches(dom) == "pPAA"
    assert "<vcpu current='2'>4</vcpu>" in format_document(dom)


def test_single_ones_lose_their_order() -> None:
    dom = domain(
        "<vcpu>3</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
        "<vcpu id='1' enabled='no' hotpluggable='yes'/>"
        "<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/></vcpus>"
    )
    set_some(dom, {1}, enabled=True)
    assert dom.vcpus is not None
    assert [vcpu.order for vcpu in dom.vcpus.vcpus] == [None] * 3
    assert (switches(dom), dom.vcpu.current) == ("pPP", None)
    set_some(dom, {2}, enabled=False)
    assert present(dom) == [0, 1]


def test_what_is_above_the_most_is_forgotten() -> None:
    dom = domain(
        "<vcpu current='3'>4</vcpu><cputune><vcpupin vcpu='1' cpuset='0'/>"
        "<vcpupin vcpu='3' cpuset='0'/><vcpusched vcpus='1-3' scheduler='batch'/>"
        "<vcpusched vcpus='3' scheduler='idle'/></cputune>"
    )
    set_most(dom, 2)
    assert (dom.vcpu.value, dom.vcpu.current) == (2, None)
    assert [pin.vcpu for pin in dom.cputune.vcpupins] == [1]
    assert [sched.vcpus for sched in dom.cputune.vcpuscheds] == ["1"]
    set_most(dom, 6)
    assert (dom.vcpu.value, dom.vcpu.current) == (6, 2)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("<topology sockets='1' dies='2' cores='1' threads='2'/>", 6),
        ("<numa><cell id='0' cpus='0-3' memory='1024'/></numa>", 3),
    ],
)
def test_topology_and_cells_are_heeded(body: str, count: int) -> None:
    dom = domain(f"<vcpu>4</vcpu><cpu>{body}</cpu>")
    with pytest.raises(InvalidArg, match="4 vCPUs"):
        set_most(dom, count)
    assert dom.vcpu.value == 4


def test_refusals() -> None:
    dom = domain("<vcpu>2</vcpu>")
    with pytest.raises(InvalidArg, match="3 vCPUs are more"):
        check_count(dom, 3, "live")
    with pytest.raises(InvalidArg, match="can't be modified"):
        check_choice(dom, {0, 1})
    with pytest.raises(InvalidArg, match="no vCPU 2"):
        check_choice(dom, {1, 2})
