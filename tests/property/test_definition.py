# SPDX-License-Identifier: Apache-2.0
"""Whatever a document holds outside <devices>: it is refused, or defined to come to rest."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_xml_roundtrip import elements
from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.directories import Directories
from virloom.errors import VirloomError
from virloom.model.domain import (
    Blkiotune,
    Clock,
    Cpu,
    Cputune,
    Domain,
    Features,
    IoThreadIds,
    MemoryBacking,
    Memtune,
    Numatune,
    Os,
    OsType,
    Perf,
    Seclabel,
    Sysinfo,
    Vcpus,
)
from virloom.xml import FormatFlags, format_document, parse_document

PERSISTENT = FormatFlags.INACTIVE | FormatFlags.SECURE
_BLOCKS: dict[str, Any] = {
    "blkiotune": Blkiotune,
    "clock": Clock,
    "cpu": Cpu,
    "cputune": Cputune,
    "features": Features,
    "iothreadids": IoThreadIds,
    "memory_backing": MemoryBacking,
    "memtune": Memtune,
    "numatune": Numatune,
    "perf": Perf,
    "vcpus": Vcpus,
}


@cache
def _caps() -> BinaryCaps:
    facts = Path(__file__).parent.parent / "golden" / "caps" / "qemu-7.2.json"
    return from_json(json.loads(facts.read_text()))


@st.composite
def _documents(draw: st.DrawFn) -> str:
    dom = Domain(type="qemu", name="a", memory=262144)
    dom.os = Os(type=OsType(arch="x86_64", machine="q35", value="hvm"))
    dom.vcpu.value = draw(st.integers(1, 4))
    for name in draw(st.lists(st.sampled_from(sorted(_BLOCKS)), unique=True, max_size=3)):
        setattr(dom, name, draw(elements(_BLOCKS[name])))
    dom.sysinfos = draw(st.lists(elements(Sysinfo), max_size=1))
    dom.seclabels = draw(st.lists(elements(Seclabel), max_size=2))
    return format_document(dom, FormatFlags.STATUS)


def _defined(text: str) -> str:
    dom = parse_document(Domain, text)
    prepare_definition(dom, _caps(), directories=Directories.embedded(Path("/root-of-tests")))
    return format_document(dom, PERSISTENT)


@given(_documents())
def test_a_definition_that_is_defined_again_stays(text: str) -> None:
    try:
        once = _defined(text)
    except VirloomError as refused:
        assert refused.detail
        return
    assert _defined(once) == once
