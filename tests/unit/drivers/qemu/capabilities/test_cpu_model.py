# SPDX-License-Identifier: Apache-2.0
"""Processors as model and features: what libvirt 9 gives for the same questions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.cpu_model import (
    Processor,
    baseline,
    compare,
    decode,
    emulated_processor,
    expanded,
    in_order,
    model_features,
    model_names,
    plain,
    settle_host_model,
    vendor_of,
)
from virloom.drivers.qemu.capabilities.cpu_table import FEATURES, MODELS
from virloom.drivers.qemu.capabilities.host_features import read_features
from virloom.errors import InternalError, OperationFailed
from virloom.model.domain import Cpu, CpuFeature, CpuModel


def cpu(model: str, *features: str, vendor: str | None = None, policy: str = "require") -> Cpu:
    return Cpu(
        model=CpuModel(value=model),
        vendor=vendor,
        features=[CpuFeature(name=name, policy=policy) for name in features],
    )


def test_every_feature_of_a_model_has_its_bit() -> None:
    for name, model in MODELS.items():
        assert set(model[4].split()) <= FEATURES.keys(), name
    assert len(set(FEATURES.values())) == len(FEATURES)
    assert "max" not in model_names()


def test_nehalem_is_what_libvirt_9_expands_it_to() -> None:
    words = (
        "apic clflush cmov cx16 cx8 de fpu fxsr lahf_lm lm mca mce mmx msr mtrr nx pae pat pge "
        "pni popcnt pse pse36 sep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc"
    )
    assert model_features("Nehalem") == frozenset(words.split())


@pytest.mark.parametrize("model", ["Nehalem", "kvm64", "Conroe", "Penryn", "Opteron_G1", "486"])
def test_a_model_alone_is_that_model(model: str) -> None:
    found, vendor = baseline([cpu(model)])
    assert (found.model, found.require, found.disable, vendor) == (model, (), (), None)


def test_the_common_part_of_two() -> None:
    found, _ = baseline([cpu("Nehalem"), cpu("Haswell", "vmx")])
    assert (found.model, plain(found)) == ("Nehalem", [])
    assert expanded(found)[0] == ("apic", "require")
    found, vendor = baseline([cpu("Nehalem", vendor="Intel"), cpu("Penryn", vendor="Intel")])
    assert (found.model, vendor) == ("Penryn", "Intel")
    with pytest.raises(OperationFailed, match="vendors do not match"):
        baseline([cpu("Nehalem", vendor="Intel"), cpu("EPYC", vendor="AMD")])


def test_a_feature_beyond_the_model_and_one_less() -> None:
    found, _ = baseline([cpu("Nehalem", "vmx")])
    assert plain(found) == [("vmx", "require")]
    found, _ = baseline([cpu("Nehalem", "nx", policy="disable")])
    assert plain(found) == [("nx", "disable")]
    assert dict(expanded(found))["nx"] == "disable"


def test_what_only_this_host_has_stays_out_of_a_migration() -> None:
    both = [cpu("Nehalem", "invtsc")]
    assert plain(baseline(both)[0]) == [("invtsc", "require")]
    assert plain(baseline(both, migratable=True)[0]) == []


HOST = Processor("AMD", model_features("kvm64") | {"ssse3", "avx"}, (25, 17))


def test_a_host_is_the_largest_model_that_it_wholly_is() -> None:
    found = decode(HOST, host=True)
    assert (found.model, found.require, found.disable) == ("kvm64", ("ssse3", "avx"), ())
    with pytest.raises(OperationFailed):
        decode(HOST, host=True, allowed=["EPYC"])


def test_compare() -> None:
    assert compare(HOST, cpu("kvm64")).reason == ""
    assert compare(HOST, cpu("kvm64")).beyond
    assert not compare(HOST, cpu("kvm64", "ssse3", "avx")).beyond
    assert "required features: svm" in compare(HOST, cpu("kvm64", "svm")).reason
    assert compare(HOST, cpu("kvm64", "svm", policy="force")).reason == ""
    assert compare(HOST, cpu("kvm64", "svm", policy="optional")).reason == ""
    assert "forbidden features: avx" in compare(HOST, cpu("kvm64", "avx", policy="forbid")).reason
    assert "vendor Intel" in compare(HOST, cpu("kvm64", vendor="Intel")).reason


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InternalError, match="Unknown CPU model None"):
        compare(HOST, cpu("None"))
    with pytest.raises(InternalError, match="Unknown CPU feature bogus"):
        compare(HOST, cpu("kvm64", "bogus"))


def test_order_is_that_of_cpuid() -> None:
    assert in_order(["avx2", "nx", "pni", "fpu", "umip"]) == ["fpu", "pni", "avx2", "umip", "nx"]
    assert [vendor_of(name) for name in ("EPYC", "Nehalem", "kvm64")] == ["AMD", "Intel", None]


def test_host_model_becomes_a_model_and_keeps_what_the_document_says() -> None:
    asked = Cpu(mode="host-model", features=[CpuFeature(name="erms", policy="disable")])
    settle_host_model(asked, emulated_processor())
    assert (asked.mode, asked.match) == ("custom", "exact")
    assert asked.model.value == "EPYC"
    policies = [(f.name, f.policy) for f in asked.features if f.name in ("erms", "umip")]
    assert policies == [("erms", "disable"), ("umip", "require")]


INFO = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 26
flags\t\t: fpu sse4_1 xsave constant_tsc nonstop_tsc

processor\t: 1
flags\t\t: none
"""


def test_the_kernel_s_list_where_cpuid_is_not_to_be_had(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(INFO)
    found = read_features(tmp_path / "no", info)
    wanted = {"fpu", "sse4.1", "xsave", "osxsave", "invtsc"}
    assert found == Processor("Intel", frozenset(wanted), (6, 26))
    info.write_text("Processor : ARM\n")
    assert read_features(tmp_path / "no", info) is None


def test_cpuid_is_read_leaf_by_leaf(tmp_path: Path) -> None:
    info, cpuid = tmp_path / "cpuinfo", tmp_path / "cpuid"
    info.write_text(INFO)
    with cpuid.open("wb") as file:
        # The offset is the leaf; leaves are 16 bytes wide in the file and overlap.
        file.truncate((1 << 32) + 64)
        file.seek(0)
        file.write(struct.pack("<4I", 0, 0, 0, 0))
    found = read_features(cpuid, info)
    assert found is not None
    assert found.features == frozenset()
