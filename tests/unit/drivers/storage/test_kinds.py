# SPDX-License-Identifier: Apache-2.0
"""Where sources of pools are looked for: what is read of what a client says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import RecordedHost
from virloom.drivers.storage.backends.iscsi import IscsiBackend
from virloom.drivers.storage.backends.logical import LogicalBackend
from virloom.drivers.storage.backends.netfs import NetfsBackend
from virloom.drivers.storage.handlers.kinds import specified
from virloom.errors import XmlError


@pytest.mark.parametrize("text", ["", "x", "<sources/>", "<source><host/></source>"])
def test_groups_are_looked_for_everywhere(tmp_path: Path, text: str) -> None:
    """As libvirt does, which reads nothing of it."""
    assert specified(text, LogicalBackend(RecordedHost(tmp_path, {}))) is None


@pytest.mark.parametrize("kind", [IscsiBackend, NetfsBackend])
def test_a_host_has_a_name(tmp_path: Path, kind: type[IscsiBackend | NetfsBackend]) -> None:
    backend = kind(RecordedHost(tmp_path, {}))
    with pytest.raises(XmlError, match="host name"):
        specified("<source><host/></source>", backend)
    named = specified("<source><host name=''/></source>", backend)
    assert named is not None
    assert named.hosts[0].name == ""
    assert specified(None, backend) is None
