# SPDX-License-Identifier: Apache-2.0
"""The reference names all that there is to be named: programs, settings, URIs, variables, calls."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tools.conf_table import read, rows
from tools.error_table import SOURCES
from tools.error_table import rows as error_rows
from tools.support_table import rows_of_others
from tools.tracked import ROOT
from virloom import uri
from virloom.daemon.default_config import documented

REFERENCE = ROOT / "docs" / "reference"

#: Settings that are read without a class: a page has their keys.
KEYS_BY_HAND = {
    "client/choice.py": ("uris", ("uri_default", "uri_aliases")),
    "drivers/network/config.py": ("virtnetworkd", ("firewall_backend",)),
}

#: Variables that mean here what they mean everywhere.
COMMON = frozenset(("HOME", "LC_ALL", "PATH", "TMPDIR", "C", "LISTEN_PID"))


def page(name: str) -> str:
    return (REFERENCE / f"{name}.rst").read_text()


@cache
def all_pages() -> str:
    return "".join(path.read_text() for path in sorted(REFERENCE.glob("*.rst")))


@cache
def texts() -> dict[str, str]:
    return {
        str(path.relative_to(SOURCES)): path.read_text() for path in sorted(SOURCES.rglob("*.py"))
    }


def naming(word: str) -> Iterator[tuple[str, ast.Module]]:
    """The modules in whose text a word is, parsed."""
    for place, text in texts().items():
        if word in text:
            yield place, ast.parse(text)


def test_every_program_is_described() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, place in project["scripts"].items():
        if place.startswith("virloom.daemons."):
            assert (REFERENCE / f"{name}.rst").exists(), name
            assert f":doc:`{name}`" in page("daemons")
        elif name != "virloom":
            assert f"\n{name}\n---" in page("programs"), name


def test_every_file_of_settings_has_a_table_of_its_keys() -> None:
    told = set(re.findall(r"conf-keys:: (\S+)", all_pages()))
    for place in (place for place, text in texts().items() if "read_settings" in text):
        if place == "drivers/runtime/settings.py" or place.startswith("cli/"):
            continue
        module = "virloom." + place.removesuffix(".py").replace("/", ".")
        if place in KEYS_BY_HAND:
            name, keys = KEYS_BY_HAND[place]
            assert all(f"``{key}``" in page(name) for key in keys)
        else:
            assert any(entry.startswith(f"{module}:") for entry in told), module
    for config in told:
        assert rows(read(config), host="host"), config


def test_a_key_without_a_meaning_is_an_error() -> None:
    class Half:
        """Settings.

        Attributes:
            first, second: Both.
        """

        def __init__(self) -> None:
            self.first, self.second, self.third = 1, 2, None

    assert documented(Half.__doc__ or "") == {"first, second": "Both."}
    with pytest.raises(ValueError, match="Half does not explain third"):
        rows(Half)


def variables() -> Iterator[str]:
    """The names that are looked up in the environment."""
    for _, tree in naming("environ"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.Subscript):
                text = ast.unparse(node)
                yield from re.findall(r"environ(?:\.\w+\(|\[)'([A-Z_]+)'", text)


def test_every_variable_of_the_environment_is_told() -> None:
    for name in set(variables()) - COMMON:
        assert f"``{name}``" in page("uris"), name


def test_every_parameter_of_a_uri_is_told() -> None:
    for name in uri._CLIENT_PARAMETERS | {"root", "network"}:
        assert f"``{name}``" in page("uris"), name


def test_errors_have_a_row_where_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "drivers/storage").mkdir(parents=True)
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors/classes.py").write_text("raise NoMemory()")
    (tmp_path / "uri.py").write_text("try:\n    pass\nexcept NoDomain:\n    raise InvalidArg()")
    (tmp_path / "drivers/storage/pool.py").write_text("raised = {50: NoStorageVol}")
    assert [[*row[:3], row[4]] for row in error_rows(tmp_path)] == [
        ["InvalidArg", "8", "VIR_ERR_INVALID_ARG", "uri"],
        ["NoStorageVol", "50", "VIR_ERR_NO_STORAGE_VOL", "drivers/storage"],
    ]


def test_programs_beside_the_drivers_have_a_row() -> None:
    found = {row[0]: row for row in rows_of_others()}
    assert found.keys() == {"remote", "admin", "lock", "log", "recorder"}
    assert "CONNECT_OPEN" in found["remote"][2]
    assert found["lock"][1:] == [
        "virtlockd",
        "ACQUIRE_RESOURCE, CREATE_LOCKSPACE, CREATE_RESOURCE, DELETE_RESOURCE, NEW, REGISTER,"
        " RELEASE_RESOURCE, RESTRICT",
        "",
    ]
