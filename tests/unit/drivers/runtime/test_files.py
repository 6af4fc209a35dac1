# SPDX-License-Identifier: Apache-2.0
"""Documents and settings on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.settings import parse_settings
from virloom.drivers.runtime.store import DocumentStore, check_name
from virloom.errors import (
    ConfSyntax,
    InvalidArg,
    SystemFailure,
    VirloomError,
    XmlDetail,
    XmlError,
)

UUID = bytes(range(16))


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    (tmp_path / "qemu").mkdir()
    index = DocumentIndex(tmp_path / "index")
    return DocumentStore(tmp_path / "qemu", tmp_path / "qemu" / "autostart", index)


def test_a_document_comes_back_with_its_name(store: DocumentStore) -> None:
    asyncio.run(store.save("web--1", UUID, "<domain/>\n"))
    [document] = store.load()
    assert document.name == "web--1"
    assert document.text == "<domain/>\n"
    written = (store.directory / "web--1.xml").read_text()
    assert "--1" not in written.split("-->")[0]  # the comment stays a comment


def test_autostart_is_a_link_that_goes_with_the_document(store: DocumentStore) -> None:
    asyncio.run(store.save("web", UUID, "<domain/>"))
    asyncio.run(store.set_autostart("web", True))
    asyncio.run(store.set_autostart("web", True))
    assert store.autostarts("web")
    assert (store.directory / "autostart" / "web.xml").readlink() == store.directory / "web.xml"
    asyncio.run(store.delete("web"))
    assert not store.autostarts("web")
    assert list(store.load()) == []
    asyncio.run(store.delete("web"))


def test_a_document_that_is_no_text_is_left_out(store: DocumentStore) -> None:
    (store.directory / "bad.xml").write_bytes(b"\xff\xfe")
    asyncio.run(store.save("web", UUID, "<domain/>"))
    assert [document.name for document in store.load()] == ["web"]


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    store = DocumentStore(tmp_path / "gone", tmp_path, DocumentIndex(tmp_path / "index"))
    with pytest.raises(SystemFailure, match="gone"):
        asyncio.run(store.save("web", UUID, "<domain/>"))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", InvalidArg),
        (".", InvalidArg),
        ("..", InvalidArg),
        ("a\0b", InvalidArg),
        ("x" * 241, InvalidArg),
        ("a/b", XmlError),
        ("a\nb", XmlDetail),
    ],
)
def test_names_that_no_file_can_have(name: str, error: type[VirloomError]) -> None:
    with pytest.raises(error):
        check_name(name)


def test_settings_are_read() -> None:
    text = '# comment\nuser = "qemu" # more\nmax_files=10\nlist = [ "a",\n 2,\n]\nneg = -3\n'
    assert parse_settings(text, "f") == {
        "user": "qemu",
        "max_files": 10,
        "list": ["a", 2],
        "neg": -3,
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [("a", 1), ("a =", 1), ("a = [1", 1), ('\na = "x', 2), ("= 3", 1), ("a = 1 1", 1), ("a b", 1)],
)
def test_malformed_settings_name_their_line(text: str, line: int) -> None:
    with pytest.raises(ConfSyntax, match=f"f:{line}:"):
        parse_settings(text, "f")


def test_the_configuration_has_defaults_and_checks_types(tmp_path: Path) -> None:
    path = tmp_path / "qemu.conf"
    assert QemuConfig.load(path).vnc_listen == "127.0.0.1"
    path.write_text('vnc_listen = "::1"\nmax_core = "unlimited"\ndynamic_ownership = 0\n')
    config = QemuConfig.load(path)
    assert (config.vnc_listen, config.max_core, config.dynamic_ownership) == (
        "::1",
        "unlimited",
        False,
    )


@pytest.mark.parametrize(
    "text",
    ["user = 3", 'max_files = "x"', "dynamic_ownership = 7", 'max_core = "much"',
     "remote_display_port_min = 6000\nremote_display_port_max = 5900"],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qemu.conf"
    path.write_text(text)
    with pytest.raises(ConfSyntax):
        QemuConfig.load(path)
