# SPDX-License-Identifier: Apache-2.0
"""``qemu-etcd.conf``."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.qemu.locks.etcd_config import EtcdConfig
from virloom.errors import ConfSyntax


def loaded(directory: Path, text: str) -> EtcdConfig:
    path = directory / "qemu-etcd.conf"
    path.write_text(text)
    return EtcdConfig.load(path)


def test_the_defaults(tmp_path: Path) -> None:
    config = EtcdConfig.load(tmp_path / "none")
    assert (config.ttl, config.endpoints) == (60, ["http://127.0.0.1:2379"])


def test_all_of_it(tmp_path: Path) -> None:
    text = 'endpoints = [ "https://a:1", "https://b" ]\nttl = 10\nprefix = "/x/"\nhost = "h"\n'
    config = loaded(tmp_path, text + 'cert_file = "/c"\nkey_file = "/k"\nca_file = "/a"\n')
    assert config.endpoints == ["https://a:1", "https://b"]
    assert (config.ttl, config.prefix, config.host, config.key_file) == (10, "/x/", "h", "/k")


@pytest.mark.parametrize(
    "text",
    [
        "endpoints = []", 'endpoints = "http://a"', 'endpoints = ["ftp://a"]', "endpoints = [1]",
        'endpoints = ["http://a/path"]', "ttl = 9", 'ttl = "60"', "ttl = 3601", 'prefix = ""',
        "user = 1", 'nobody_knows = "it"', 'cert_file = "/c"',
    ],
)  # fmt: skip
def test_wrong_values(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfSyntax, match=r"qemu-etcd.conf: \w+"):
        loaded(tmp_path, text)
