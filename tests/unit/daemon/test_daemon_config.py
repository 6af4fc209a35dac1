# SPDX-License-Identifier: Apache-2.0
"""virtqemud.conf, units, logging, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.daemon.authentication import choose
from virloom.daemon.config import DaemonConfig
from virloom.daemon.places import Places
from virloom.daemon.proxy_user import ProxyUser, find
from virloom.daemon.units import render
from virloom.daemons import virtlogd, virtproxyd
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
        ('min_workers = "few"\n', 1, "min_workers must be a number, not 'few'"),
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
    units = render(SPEC, "/usr/sbin/virtqemud", DaemonConfig())
    assert set(units) == {
        "virtqemud.service", "virtqemud.socket", "virtqemud-ro.socket", "virtqemud-admin.socket",
    }  # fmt: skip
    assert "KillMode=process" in units["virtqemud.service"]
    assert "ExecStart=/usr/sbin/virtqemud $VIRTQEMUD_ARGS" in units["virtqemud.service"]
    assert "ListenStream=/run/libvirt/virtqemud-sock\n" in units["virtqemud.socket"]
    assert "SocketMode=0700\n" in units["virtqemud.socket"]
    assert "ListenStream=/run/libvirt/virtqemud-sock-ro\n" in units["virtqemud-ro.socket"]
    assert "ListenStream=/run/libvirt/virtqemud-admin-sock\n" in units["virtqemud-admin.socket"]


def test_the_proxy_is_administered_by_both_names() -> None:
    unit = render(virtproxyd.SPEC, "/usr/sbin/virtproxyd", DaemonConfig())[
        "virtproxyd-admin.socket"
    ]
    assert (
        "ListenStream=/run/libvirt/libvirt-admin-sock\n"
        "ListenStream=/run/libvirt/virtproxyd-admin-sock\nService=virtproxyd.service\n"
    ) in unit


def test_units_of_the_one_whose_descriptors_outlive_it() -> None:
    units = render(virtlogd.SPEC, "/usr/sbin/virtlogd", virtlogd.LogConfig())
    assert set(units) == {"virtlogd.service", "virtlogd.socket", "virtlogd-admin.socket"}
    service = units["virtlogd.service"]
    assert "ExecReload=/bin/kill -USR1 $MAINPID\n" in service
    assert "FileDescriptorStoreMax=" in service
    assert "--timeout" not in service
    assert "-ro.socket" not in service
    assert "Wants=virtlogd.socket\n" in render(SPEC, "/x", DaemonConfig())["virtqemud.service"]


def test_a_unit_opens_the_socket_to_everybody_only_where_polkit_is_asked_for(
    tmp_path: Path,
) -> None:
    units = render(SPEC, "/x", load(tmp_path, 'auth_unix_rw = "polkit"\n'))
    assert "SocketMode=0777\n" in units["virtqemud.socket"]
    assert "SocketMode=0600\n" in units["virtqemud-admin.socket"]


def test_sockets_are_open_to_the_group_of_the_proxy(tmp_path: Path) -> None:
    proxy = ProxyUser(77, 78, ())
    units = render(SPEC, "/x", DaemonConfig(), proxy)
    for name in ("virtqemud.socket", "virtqemud-ro.socket"):
        assert "SocketGroup=78\n" in units[name]
    assert "SocketMode=0770\n" in units["virtqemud.socket"]
    assert "SocketGroup" not in units["virtqemud-admin.socket"]
    configured = load(tmp_path, 'unix_sock_group = "libvirt"\n')
    units = render(SPEC, "/x", configured, proxy)
    assert "SocketGroup=libvirt\nRemoveOnStop" in units["virtqemud.socket"]
    assert "SocketMode=0700\n" in units["virtqemud.socket"]


@pytest.mark.parametrize("name", ["nosuchuser", "+x", "root", "+0"])
def test_who_cannot_be_the_user_of_the_proxy(name: str) -> None:
    with pytest.raises(ConfigUnsupported, match="proxy_user"):
        find(name)


def test_the_user_of_the_proxy() -> None:
    assert find("+54321") == ProxyUser(54321, 54321, ())
    assert find("nobody") is not None


def test_rules_for_each_call_are_refused_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="has no access drivers yet"):
        load(tmp_path, 'access_drivers = [ "polkit" ]\n')
    load(tmp_path, "access_drivers = [ ]\n")


def test_fewer_clients_than_strangers(tmp_path: Path) -> None:
    assert load(tmp_path, "max_clients = 7\n").limits().anonymous == 7
    with pytest.raises(ConfSyntax, match="must not be more than max_clients"):
        load(tmp_path, "max_clients = 7\nmax_anonymous_clients = 8\n")


def test_nobody_authenticates_at_a_daemon_for_daemons(tmp_path: Path) -> None:
    path = tmp_path / "virtlogd.conf"
    assert virtlogd.LogConfig.load(path).limits()[:2] == (1024, 1024)
    path.write_text("max_clients = 7\n")
    assert virtlogd.LogConfig.load(path).limits()[:2] == (7, 7)


def test_every_key_of_libvirts_own_file_is_known(tmp_path: Path) -> None:
    """All that Debian's ``libvirtd.conf`` of 9.0.0 lists and that is not about TCP and TLS."""
    text = """
    unix_sock_group = "libvirt"
    unix_sock_ro_perms = "0777"
    unix_sock_rw_perms = "0770"
    unix_sock_admin_perms = "0700"
    unix_sock_dir = "/run/libvirt"
    auth_unix_ro = "polkit"
    auth_unix_rw = "polkit"
    sasl_allowed_username_list = [ "joe@EXAMPLE.COM" ]
    max_clients = 5000
    max_queued_clients = 1000
    max_anonymous_clients = 20
    min_workers = 5
    max_workers = 20
    prio_workers = 5
    max_client_requests = 5
    admin_min_workers = 1
    admin_max_workers = 5
    admin_max_clients = 5
    admin_max_queued_clients = 5
    admin_max_client_requests = 5
    log_level = 3
    log_filters = "1:qemu 1:libvirt 4:object 4:json 4:event 1:util"
    log_outputs = "3:syslog:libvirtd"
    audit_level = 2
    audit_logging = 1
    host_uuid = "00000000-0000-0000-0000-000000000000"
    host_uuid_source = "smbios"
    keepalive_interval = 5
    keepalive_count = 5
    keepalive_required = 1
    admin_keepalive_required = 1
    admin_keepalive_interval = 5
    admin_keepalive_count = 5
    ovs_timeout = 5
    """
    assert load(tmp_path, text).unix_sock_group == "libvirt"


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
