# SPDX-License-Identifier: Apache-2.0
"""What the capabilities document tells of the host's processor and caches."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, CpuModel
from virloom.drivers.qemu.capabilities.document import document
from virloom.drivers.qemu.capabilities.host_cpu import Processor, plain_models, read_processor
from virloom.host.topology import CacheBank, Topology

CPUINFO = """\
processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 17
model name	: AMD EPYC
stepping	: 1
microcode	: 0x1000065
cpu MHz		: 2596.140
address sizes	: 48 bits physical, 57 bits virtual
power management:

processor	: 1
cpu family	: 6
"""


def test_the_first_processor_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert read_processor(tmp_path) == Processor(25, 17, 1, 0x1000065, 48, 2596)


def test_a_processor_of_another_architecture(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 50.00\n\n")
    assert read_processor(tmp_path) is None
    assert read_processor(tmp_path / "nothing") is None


def test_the_document_tells_them() -> None:
    caches = (CacheBank(0, 3, "both", 32768, "0-1"), CacheBank(1, 3, "both", 1536, "2"))
    text = document(
        Topology((), False, caches), uuid.UUID(int=1), [], processor=Processor(6, 85, 4, 7, 46, 0)
    )
    host = ET.fromstring(text).find("host")
    assert host is not None
    cpu = {one.tag: one.attrib for one in host.iterfind("cpu/*")}
    assert cpu["signature"] == {"family": "6", "model": "85", "stepping": "4"}
    assert cpu["microcode"] == {"version": "7"}
    assert cpu["maxphysaddr"] == {"mode": "emulate", "bits": "46"}
    sizes = [(bank.get("size"), bank.get("unit")) for bank in host.iterfind("cache/bank")]
    assert sizes == [("32", "MiB"), ("1536", "KiB")]


def test_versions_of_models_are_not_models() -> None:
    names = ["qemu64", "qemu64-v1", "EPYC", "EPYC-v2", "max", "base", "Denverton"]
    caps = BinaryCaps(
        path="/bin/q", version=(7, 2, 0), arch="x86_64", cpu_models=[CpuModel(n) for n in names]
    )
    assert plain_models(caps) == ["Denverton", "EPYC", "qemu64"]
