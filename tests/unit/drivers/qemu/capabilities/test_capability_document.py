# SPDX-License-Identifier: Apache-2.0
"""The document of the host's capabilities, from a fake file tree and made-up binaries."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Machine
from virloom.drivers.qemu.capabilities.document import (
    NO_MODEL,
    Guest,
    SecurityModel,
    document,
    host_uuid,
)
from virloom.host.topology import HostCpu, Topology, read_topology

HOST = uuid.UUID("12345678-1234-1234-1234-123456789abc")


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def two_nodes(tmp_path: Path) -> Path:
    """Two sockets, a node each; two cores with two threads per socket."""
    for node, cpus in enumerate(((0, 1, 4, 5), (2, 3, 6, 7))):
        directory = tmp_path / "devices/system/node" / f"node{node}"
        put(
            directory,
            meminfo=f"Node {node} MemTotal:        4194304 kB\nNode {node} MemFree: 1 kB\n",
            cpulist=f"{cpus[0]}-{cpus[1]},{cpus[2]}-{cpus[3]}\n",
            distance="10 21\n" if node == 0 else "21 10\n",
        )
        put(directory / "hugepages" / "hugepages-2048kB", nr_hugepages="512\n")
        for cpu in cpus:
            put(
                tmp_path / "devices/system/cpu" / f"cpu{cpu}" / "topology",
                physical_package_id=f"{node}\n",
                die_id="0\n",
                core_id=f"{cpu % 2}\n",
                thread_siblings_list=f"{cpu % 4},{cpu % 4 + 4}\n",
            )
    (tmp_path / "kernel/iommu_groups/0").mkdir(parents=True)
    return tmp_path


def test_a_host_with_two_nodes(two_nodes: Path) -> None:
    topology = read_topology(two_nodes)
    assert topology.shape == (1, 1, 2, 2)
    assert topology.iommu
    first, second = topology.cells
    assert first.pages == {4: (4194304 - 512 * 2048) // 4, 2048: 512}
    assert second.distances == (21, 10)
    assert second.cpus[0] == HostCpu(2, 1, 0, 0, "2,6")


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    topology = read_topology(tmp_path)
    assert topology.shape == (1, 1, 1, 1)
    assert not topology.iommu
    (cell,) = topology.cells
    assert cell.memory_kib > 0
    assert cell.cpus == ()


def caps(path: str = "/usr/bin/qemu-system-x86_64") -> BinaryCaps:
    return BinaryCaps(
        path=path,
        version=(7, 2, 0),
        arch="x86_64",
        machines=[
            Machine("pc-q35-7.2", alias="q35", cpu_max=288),
            Machine("none"),
            Machine("pc-i440fx-7.2", alias="pc", default=True, cpu_max=255),
            Machine("pc-i440fx-1.4", cpu_max=255, deprecated=True),
        ],
    )


def test_the_document(two_nodes: Path) -> None:
    topology = read_topology(two_nodes)
    models = [NO_MODEL, SecurityModel("dac", {"qemu": "+64055:+64055"})]
    guests = [Guest("i686", caps(), False), Guest("x86_64", caps(), True)]
    root = ET.fromstring(document(topology, HOST, guests, models))
    assert root.findtext("host/uuid") == str(HOST)
    shape = root.find("host/cpu/topology")
    assert shape is not None
    assert shape.attrib == {"sockets": "1", "dies": "1", "cores": "2", "threads": "2"}
    assert [cell.get("id") for cell in root.iterfind("host/topology/cells/cell")] == ["0", "1"]
    assert [model.text for model in root.iterfind("host/secmodel/model")] == ["none", "dac"]
    small, large = root.findall("guest")
    assert small.find("features/pae") is not None
    assert [item.get("type") for item in small.iterfind("arch/domain")] == ["qemu"]
    assert large.find("features/pae") is None
    assert large.findtext("arch/wordsize") == "64"
    assert [item.get("type") for item in large.iterfind("arch/domain")] == ["qemu", "kvm"]
    assert [(item.text, item.attrib) for item in large.iterfind("arch/machine")] == [
        ("pc-i440fx-7.2", {"maxCpus": "255"}),
        ("pc", {"canonical": "pc-i440fx-7.2", "maxCpus": "255"}),
        ("pc-q35-7.2", {"maxCpus": "288"}),
        ("q35", {"canonical": "pc-q35-7.2", "maxCpus": "288"}),
        ("pc-i440fx-1.4", {"maxCpus": "255", "deprecated": "yes"}),
    ]


def test_a_path_with_markup_is_escaped() -> None:
    guests = [Guest("x86_64", caps("/opt/a&b<c>"), False)]
    root = ET.fromstring(document(Topology((), False), HOST, guests))
    assert root.findtext("guest/arch/emulator") == "/opt/a&b<c>"


def test_the_hosts_uuid(tmp_path: Path) -> None:
    put(tmp_path, **{"etc__machine-id": "0123456789abcdef0123456789abcdef\n"})
    assert str(host_uuid(str(tmp_path))) == "01234567-89ab-cdef-0123-456789abcdef"
    put(tmp_path, sys__class__dmi__id__product_uuid=f"{HOST}\n")
    assert host_uuid(str(tmp_path)) == HOST
    assert host_uuid(str(tmp_path / "nothing")) == host_uuid(str(tmp_path / "nothing"))
