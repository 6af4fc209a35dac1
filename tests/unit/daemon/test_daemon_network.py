# SPDX-License-Identifier: Apache-2.0
"""What a daemon that is to serve the network refuses to serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.daemon.config import DaemonConfig, NetworkConfig
from virloom.daemon.network import listen
from virloom.errors import ConfigUnsupported, ConfSyntax, SystemFailure, VirloomError


def configured(tmp_path: Path, text: str) -> NetworkConfig:
    path = tmp_path / "virtproxyd.conf"
    path.write_text(text)
    loaded = NetworkConfig.load(path)
    assert isinstance(loaded, NetworkConfig)
    return loaded


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("listen_tls = 0\nlisten_tcp = 1\n", ConfigUnsupported, "sasl"),
        (
            'listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\nlisten_addr = "0.0.0.0"\n',
            ConfigUnsupported,
            "this host only",
        ),
        ("listen_tls = 1\n", SystemFailure, r"servercert\.pem"),
        ('listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\ntcp_port = "nosuch"\n',
         SystemFailure, "nosuch"),
    ],
)  # fmt: skip
def test_what_is_not_served(
    tmp_path: Path, text: str, error: type[VirloomError], says: str
) -> None:
    with pytest.raises(error, match=says):
        listen(configured(tmp_path, text), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "listen_tcp = 2",
        'listen_tcp = "yes"',
        "tcp_port = 16509",
        'tls_allowed_dn_list = "CN=x"',
        'auth_tls = "secret"',
        "nosuch = 1",
    ],
)
def test_wrong_settings_are_refused_with_their_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfSyntax, match=r"virtproxyd\.conf:1: "):
        configured(tmp_path, text + "\n")


def test_other_daemons_have_no_such_keys(tmp_path: Path) -> None:
    path = tmp_path / "virtqemud.conf"
    path.write_text("listen_tcp = 1\n")
    with pytest.raises(ConfSyntax, match="listen_tcp"):
        DaemonConfig.load(path)
