# SPDX-License-Identifier: Apache-2.0
"""virtqemud.conf, units, logging, places."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from virloom.daemon import logs
from virloom.daemon.authentication import choose
from virloom.daemon.config import DaemonConfig
from virloom.daemon.places import Places
from virloom.daemon.units import render
from virloom.daemons.virtqemud import SPEC
from virloom.errors import ConfigUnsupported, ConfSyntax


def load(tmp_path: Path, text: str) -> DaemonConfig:
    path = tmp_path / "virtqemud.conf"
    path.write_text(text)
    return DaemonConfig.load(path)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    limits = DaemonConfig.load(tmp_path / "none").limits()
    assert (limits.clients, limits.anonymous, limits.requests) == (5000, 20, 5)


def test_values_are_taken(tmp_path: Path) -> None:
    config = load(
        tmp_path, 'max_clients = 7\nunix_sock_rw_perms = "0770"\nmin_workers = 5\nlog_level = 1\n'
    )
    assert (config.max_clients, config.unix_sock_rw_perms, config.log_level) == (7, "0770", 1)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("# first\nmax_clints = 7\n", 2, "no key 'max_clints'; allowed are auth_unix_ro, "),
        ('\n\nmax_clients = "many"\n', 3, "max_clients must be a number from 1, not 'many'"),
        ("max_clients = 0\n", 1, "max_clients must be a number from 1, not 0"),
        ("unix_sock_group = 5\n", 1, "unix_sock_group must be a string, not 5"),
        ('unix_sock_rw_perms = "0999"\n', 1, 'an octal mode such as "0770", not "0999"'),
        ('auth_unix_rw = "magic"\n', 1, 'auth_unix_rw must be "none" or "polkit", not "magic"'),
        ("log_level = 5\n", 1, "log_level must be a number from 1 to 4, not 5"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(ConfSyntax) as error:
        load(tmp_path, text)
    assert f"virtqemud.conf:{line}: " in error.value.message
    assert said in error.value.message


def test_sasl_is_refused_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="no 'sasl' authentication yet"):
        load(tmp_path, 'auth_unix_rw = "sasl"\n')


def test_polkit_opens_the_socket_to_everybody(tmp_path: Path) -> None:
    assert load(tmp_path, "").mode_for_writers(authenticated=False) == "0700"
    assert load(tmp_path, "").mode_for_writers(authenticated=True) == "0777"
    config = load(tmp_path, 'auth_unix_rw = "polkit"\nunix_sock_rw_perms = "0770"\n')
    assert config.mode_for_writers(authenticated=True) == "0770"


def test_a_users_daemon_cannot_ask_polkit(tmp_path: Path) -> None:
    config = load(tmp_path, 'auth_unix_rw = "polkit"\n')
    with pytest.raises(ConfigUnsupported, match="polkit can be asked by a daemon of root only"):
        choose(config, Places.of_user())
    assert choose(load(tmp_path, ""), Places.of_user()) == (None, None)


def test_a_file_that_is_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="there is no file"):
        DaemonConfig.load(tmp_path / "none", required=True)


def test_units_are_those_of_the_daemon() -> None:
    units = render(SPEC, "/usr/sbin/virtqemud")
    assert set(units) == {"virtqemud.service", "virtqemud.socket", "virtqemud-ro.socket"}
    assert "KillMode=process" in units["virtqemud.service"]
    assert "ExecStart=/usr/sbin/virtqemud $VIRTQEMUD_ARGS" in units["virtqemud.service"]
    assert "ListenStream=/run/libvirt/virtqemud-sock\n" in units["virtqemud.socket"]
    assert "ListenStream=/run/libvirt/virtqemud-sock-ro\n" in units["virtqemud-ro.socket"]


def test_a_users_daemon_has_the_users_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    places = Places.of_user()
    assert places.settings == tmp_path / ".config/libvirt"
    assert places.run == tmp_path / "run/libvirt"
    assert places.cache == tmp_path / ".cache/libvirt"


def test_log_filters_choose_by_name(tmp_path: Path) -> None:
    path = tmp_path / "log"
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        logs.configure(3, "1:daemon.special", f"1:file:{path}", verbose=False)
        logging.getLogger("virloom.daemon.special").debug("wanted")
        logging.getLogger("virloom.other").info("unwanted")
        logging.getLogger("virloom.other").warning("wanted too")
    finally:
        root.setLevel(level)
        for handler in [each for each in root.handlers if each not in before]:
            root.removeHandler(handler)
            handler.close()
    text = path.read_text()
    assert "unwanted" not in text
    assert text.count("wanted") == 2


@pytest.mark.parametrize("entry", ["9:stderr", "1:nowhere", "1:file:relative"])
def test_wrong_outputs_are_refused(entry: str) -> None:
    with pytest.raises(ConfSyntax, match="log_outputs"):
        logs.configure(3, "", entry, verbose=False)
