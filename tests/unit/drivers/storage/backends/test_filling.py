# SPDX-License-Identifier: Apache-2.0
"""Copies into devices: what is behind a LUKS header is never written as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import RecordedHost
from virloom.drivers.storage.backends.filling import fill_device
from virloom.errors import ConfigUnsupported
from virloom.model.storage import Volume
from virloom.model.storage.volume import Encryption


def volume(path: Path, kind: str) -> Volume:
    model = Volume(name=path.name, type=kind)
    model.target.path = str(path)
    return model


async def test_behind_a_header(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, {})
    (tmp_path / "new").write_bytes(b"header")
    (tmp_path / "old").write_bytes(b"plain text")
    new, old = volume(tmp_path / "new", "block"), volume(tmp_path / "old", "block")
    await fill_device(host, old, new, b"secret")
    (line,) = host.asked
    assert " -n -O luks " in line
    assert '"driver": "luks", "key-secret": "key"' in line
    assert "secret,id=key,file=/proc/self/fd/" in line
    assert (tmp_path / "new").read_bytes() == b"header"
    old.target.encryption = Encryption(format="luks")
    with pytest.raises(ConfigUnsupported, match="encrypted"):
        await fill_device(host, old, new)
