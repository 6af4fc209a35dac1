# SPDX-License-Identifier: Apache-2.0
"""Facts about binaries: from QEMU's answers, asked, stored and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.emulator import ANSWERS
from virloom.drivers.qemu.capabilities import facts
from virloom.drivers.qemu.capabilities.binary import (
    BinaryCaps,
    CpuModel,
    FactsMissing,
    Machine,
    Parts,
)
from virloom.drivers.qemu.capabilities.probe import Answers
from virloom.errors import ConfigUnsupported

VERSION = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian 1:7.2"}


def caps_with(parts: Parts) -> BinaryCaps:
    return facts.from_answers("/usr/bin/qemu-system-x86_64", Answers(VERSION, ANSWERS), parts)


@pytest.fixture
def caps() -> BinaryCaps:
    return caps_with(Parts.ALL)


def test_answers_become_facts(caps: BinaryCaps) -> None:
    assert (caps.version, caps.package, caps.arch) == ((7, 2, 22), "Debian 1:7.2", "x86_64")
    assert caps.default_machine == "pc-i440fx-7.2"
    assert caps.devices == {"virtio-blk-pci", "VGA"}
    assert caps.machines[0] == Machine(
        name="pc-q35-7.2",
        alias="q35",
        cpu_max=288,
        hotpluggable_cpus=True,
        default_cpu="qemu64-x86_64-cpu",
        default_ram_id="pc.ram",
    )
    assert caps.cpu_models[1] == CpuModel(
        name="Skylake-Client",
        type="Skylake-Client-x86_64-cpu",
        unavailable=("hle", "rtm"),
        alias_of="Skylake-Client-v1",
        migration_safe=True,
    )


@pytest.mark.parametrize("name", ["q35", "pc-q35-7.2"])
def test_a_machine_by_name_and_alias(caps: BinaryCaps, name: str) -> None:
    assert caps.machine(name).name == "pc-q35-7.2"


def test_an_unknown_machine_is_refused_with_what_exists(caps: BinaryCaps) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        caps.machine("q36")
    assert caught.value.message == (
        "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support "
        "machine type 'q36' (it has pc, q35, microvm)"
    )


def test_an_unknown_cpu_model_is_refused_with_what_exists(caps: BinaryCaps) -> None:
    assert caps.cpu_model("max").name == "max"
    with pytest.raises(ConfigUnsupported, match=r"CPU model 'i9'.*\(it has Skylake-Client, max\)"):
        caps.cpu_model("i9")


def test_what_was_not_probed_is_said_to_be_missing() -> None:
    caps = caps_with(Parts.BASE)
    assert caps.parts == Parts.BASE
    for ask, part in (
        (lambda: caps.devices, Parts.DEVICES),
        (lambda: caps.has_device("VGA"), Parts.DEVICES),
        (lambda: caps.cpu_models, Parts.CPU_MODELS),
        (lambda: caps.cpu_model("max"), Parts.CPU_MODELS),
    ):
        with pytest.raises(FactsMissing) as caught:
            ask()
        assert caught.value.parts == part


def test_devices(caps: BinaryCaps) -> None:
    assert caps.has_device("VGA")
    assert not caps.has_device("vga")
    assert not caps.may_have_device("vga")
    assert caps_with(Parts.BASE).may_have_device("vga")


def test_a_target_without_cpu_models() -> None:
    answers = Answers(VERSION, {**ANSWERS, "query-cpu-definitions": None})
    assert facts.from_answers("/x", answers, Parts.ALL).cpu_models == ()


@pytest.mark.parametrize("parts", [Parts.BASE, Parts.BASE | Parts.DEVICES, Parts.ALL])
def test_facts_survive_a_file(parts: Parts) -> None:
    caps = caps_with(parts)
    again = facts.from_json(json.loads(json.dumps(facts.to_json(caps))))
    assert facts.to_json(again) == facts.to_json(caps)
    assert again.machines == caps.machines
    assert again.parts == parts
    if parts == Parts.ALL:
        assert (again.cpu_models, again.devices) == (caps.cpu_models, caps.devices)


@given(st.sampled_from(list(Parts)), st.sampled_from(list(Parts)))
def test_merging_forgets_nothing(one: Parts, two: Parts) -> None:
    merged = facts.merged(caps_with(one), caps_with(two))
    assert merged.parts == one | two | Parts.BASE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ANSWERS, "name", "cpu-max", "qemu"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["qemu", "package"]), json_values), json_values)
def test_answers_of_another_form_are_refused(version: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown form|invalid literal"):
        facts.from_answers("/x", Answers(version, {"query-machines": value}), Parts.ALL)


@given(json_values, st.sampled_from(sorted(facts.to_json(caps_with(Parts.ALL)))))
def test_a_damaged_file_is_refused_or_still_facts(value: Any, key: str) -> None:
    data = {**json.loads(json.dumps(facts.to_json(caps_with(Parts.ALL)))), key: value}
    try:
        assert isinstance(facts.from_json(data), BinaryCaps)
    except ValueError:
        return
