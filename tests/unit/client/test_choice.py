# SPDX-License-Identifier: Apache-2.0
"""Which URI is meant, and where its daemon listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.client.address import (
    flag,
    is_served_by_daemon,
    port_of,
    session_programs,
    starts_on_demand,
    transport_of,
    unix_socket,
)
from virloom.client.choice import choose, settings_file
from virloom.client.session_daemon import find_program
from virloom.errors import ConfSyntax, InternalError, InvalidArg, OperationInvalid
from virloom.uri import ConnectURI


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    file = tmp_path / "libvirt.conf"
    file.write_text(
        'uri_aliases = [\n  "one=qemu+tcp://one/system",\n'
        '  "two.x=qemu+ssh://root@two/system?keyfile=/k",\n]\n'
        'uri_default = "qemu+tls://default/system"\n'
    )
    return file


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "libvirt").mkdir()
    return tmp_path / "libvirt"


def test_aliases_and_the_default(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(choose("one", conf)) == "qemu+tcp://one/system"
    assert choose("two.x", conf).params == {"keyfile": "/k"}
    assert str(choose(None, conf)) == "qemu+tls://default/system"
    assert str(choose("qemu:///system", conf)) == "qemu:///system"
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+tcp://env/system")
    assert choose(None, conf).host == "env"


def test_neither_alias_nor_uri(conf: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArg, match="'three'"):
        choose("three", conf)
    with pytest.raises(InvalidArg, match="'one'"):
        choose("one", tmp_path / "nothing")


@pytest.mark.parametrize(
    "text", ["uri_default = 1", 'uri_default = "x', 'uri_aliases = ["x"]', "uri_aliases = 1"]
)
def test_settings_that_say_nothing(conf: Path, text: str) -> None:
    conf.write_text(text + "\n")
    with pytest.raises(ConfSyntax, match=r"libvirt\.conf"):
        choose("one" if "aliases" in text else None, conf)


def test_settings_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    assert settings_file(1000) == Path("/c/libvirt/libvirt.conf")
    assert settings_file(0) == Path("/etc/libvirt/libvirt.conf")


def test_the_daemon_that_is_there(
    sockets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    monkeypatch.setenv("LIBVIRT_AUTOSTART", "0")
    with pytest.raises(InvalidArg, match="LIBVIRT_DEFAULT_URI"):
        choose(None, tmp_path / "nothing", 1000)
    (sockets / "virtlxcd-sock").touch()
    assert str(choose(None, tmp_path / "nothing", 1000)) == "lxc:///session"
    (sockets / "virtqemud-sock").touch()
    assert str(choose(None, tmp_path / "nothing", 1000)) == "qemu:///session"


def test_a_daemon_that_would_be_started(
    sockets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    monkeypatch.delenv("LIBVIRT_AUTOSTART", raising=False)
    monkeypatch.setenv("LIBVIRTD_PATH", "/some/virtqemud")
    assert str(choose(None, tmp_path / "nothing", 1000)) == "qemu:///session"
    assert find_program(["virtqemud"]) == "/some/virtqemud"
    monkeypatch.setenv("VIRTD_PATH", "/other/virtqemud")
    assert find_program(["virtqemud"]) == "/other/virtqemud"


@pytest.mark.parametrize(
    ("text", "uid", "started"),
    [
        ("qemu:///session", 1000, True),
        ("qemu+unix:///session", 1000, True),
        ("qemu:///session", 0, False),
        ("qemu:///system", 1000, False),
        ("qemu+unix:///session?socket=/x", 1000, False),
        ("qemu+ssh://host/session", 1000, False),
    ],
)
def test_which_daemons_are_started(
    text: str, uid: int, started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBVIRT_AUTOSTART", raising=False)
    assert starts_on_demand(ConnectURI.parse(text), uid) is started
    monkeypatch.setenv("LIBVIRT_AUTOSTART", "0")
    assert not starts_on_demand(ConnectURI.parse(text), uid)


def test_which_program_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        mode: session_programs(ConnectURI.parse(f"qemu:///session?mode={mode}"))
        for mode in ("auto", "direct", "legacy")
    }
    assert names == {
        "auto": ["virtqemud", "libvirtd"], "direct": ["virtqemud"], "legacy": ["libvirtd"],
    }  # fmt: skip
    for variable in ("VIRTD_PATH", "LIBVIRTD_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "virtnamed").touch(0o755)
    assert find_program(["virtabsentd", "virtnamed"]) == str(tmp_path / "virtnamed")
    with pytest.raises(InternalError, match="virtabsentd"):
        find_program(["virtabsentd"])


def test_a_driver_s_own_daemon_comes_first(sockets: Path) -> None:
    uri = ConnectURI.parse("qemu:///session")
    assert unix_socket(uri, readonly=False) == str(sockets / "libvirt-sock")
    (sockets / "virtqemud-sock").touch()
    assert unix_socket(uri, readonly=False) == str(sockets / "virtqemud-sock")
    assert unix_socket(uri, readonly=True) == str(sockets / "virtqemud-sock")
    legacy = ConnectURI.parse("qemu:///session?mode=legacy")
    assert unix_socket(legacy, readonly=False) == str(sockets / "libvirt-sock")


@pytest.mark.parametrize(
    ("text", "readonly", "path"),
    [
        ("qemu:///system?mode=direct", False, "/run/libvirt/virtqemud-sock"),
        ("qemu:///system?mode=direct", True, "/run/libvirt/virtqemud-sock-ro"),
        ("qemu+unix:///system?mode=legacy", True, "/run/libvirt/libvirt-sock-ro"),
        ("qemu+unix:///system?socket=/x/y", True, "/x/y"),
        ("lxc:///system?mode=direct", False, "/run/libvirt/virtlxcd-sock"),
        ("test+unix:///default", False, "/run/libvirt/libvirt-sock"),
        ("qemu+ssh://host/system", True, "/run/libvirt/libvirt-sock-ro"),
    ],
)
def test_sockets(text: str, readonly: bool, path: str) -> None:
    assert unix_socket(ConnectURI.parse(text), readonly=readonly) == path


def test_sockets_that_there_cannot_be() -> None:
    with pytest.raises(InvalidArg, match="'some'"):
        unix_socket(ConnectURI.parse("qemu:///system?mode=some"), readonly=False)
    with pytest.raises(InvalidArg, match="'test'"):
        unix_socket(ConnectURI.parse("test+unix:///default?mode=direct"), readonly=False)
    with pytest.raises(OperationInvalid, match="socket="):
        unix_socket(ConnectURI.parse("qemu+ssh://host/session"), readonly=False)


def test_transports_ports_and_flags() -> None:
    plain = ConnectURI.parse("qemu://host/system?no_verify=1&no_tty=x")
    assert (transport_of(plain), port_of(plain), flag(plain, "no_verify")) == ("tls", 16514, True)
    assert not flag(plain, "absent")
    with pytest.raises(InvalidArg, match="no_tty"):
        flag(plain, "no_tty")
    assert port_of(ConnectURI.parse("qemu+tcp://host:1/system")) == 1
    assert port_of(ConnectURI.parse("qemu+tcp://host/system")) == 16509
    assert transport_of(ConnectURI.parse("qemu:///system")) == "unix"
    assert is_served_by_daemon(ConnectURI.parse("qemu:///session"))
    assert not is_served_by_daemon(ConnectURI.parse("qemu:///embed?root=/x"))
    assert not is_served_by_daemon(ConnectURI.parse("test:///default"))


@pytest.mark.parametrize("uri", ["none:///x", "qemu:///other", "vbox:///", "foo:///"])
def test_what_nobody_knows_is_asked_of_libvirtd(uri: str) -> None:
    parsed = ConnectURI.parse(uri)
    assert is_served_by_daemon(parsed)
    if parsed.scheme not in ("qemu", "vbox"):  # whose own daemons may run here
        assert unix_socket(parsed, readonly=False) == "/run/libvirt/libvirt-sock"
        assert unix_socket(parsed, readonly=True) == "/run/libvirt/libvirt-sock-ro"
