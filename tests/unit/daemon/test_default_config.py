# SPDX-License-Identifier: Apache-2.0
"""The file of settings that each daemon prints."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from virloom.daemon.config import DaemonConfig, NetworkConfig
from virloom.daemon.default_config import default_config
from virloom.daemon.spec import DaemonSpec
from virloom.daemons import FAMILY

DAEMONS = [*FAMILY.values(), "libvirtd"]


def spec_of(name: str) -> DaemonSpec:
    found = import_module(f"virloom.daemons.{name}").SPEC
    assert isinstance(found, DaemonSpec)
    return found


@pytest.mark.parametrize("name", DAEMONS)
def test_it_changes_nothing_and_has_each_key(name: str, tmp_path: Path) -> None:
    spec, file = spec_of(name), tmp_path / "conf"
    kind: type[DaemonConfig] = NetworkConfig if spec.network else spec.config
    text = default_config(spec)
    file.write_text(text)
    assert vars(kind.load(file)) == vars(kind())
    assert set(re.findall(r"^#(\w+) = ", text, re.MULTILINE)) == vars(kind()).keys()


@pytest.mark.parametrize("name", DAEMONS)
def test_its_defaults_are_the_defaults(name: str, tmp_path: Path) -> None:
    spec, file = spec_of(name), tmp_path / "conf"
    kind: type[DaemonConfig] = NetworkConfig if spec.network else spec.config
    said = re.sub(r'^#(\w+ = (?!"\.\.\."))', r"\1", default_config(spec), flags=re.MULTILINE)
    file.write_text(said)
    assert vars(kind.load(file)) == vars(kind())
    assert len(re.findall(r"^\w+ = ", said, re.MULTILINE)) > 5
