# SPDX-License-Identifier: Apache-2.0
"""What names a domain on the wire is encoded once, and again when it changes."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.domain import Guest
from virloom.procedures.domain import ConnectListAllDomainsRet
from virloom.procedures.types import NonnullDomain
from virloom.rpc.xdr import codec_for

UUID = bytes(range(16))


def encoded(*domains: NonnullDomain) -> bytes:
    return codec_for(ConnectListAllDomainsRet).encode(
        ConnectListAllDomainsRet(list(domains), len(domains))
    )


def test_a_reference_is_as_any_other() -> None:
    guest = Guest("web", UUID)
    plain = NonnullDomain("web", UUID, -1)
    assert guest.ref() == plain
    assert plain == guest.ref()
    assert guest.ref() != NonnullDomain("web", UUID, 1)
    assert encoded(guest.ref(), plain) == encoded(plain, plain)


def test_it_is_the_same_until_something_changes() -> None:
    guest = Guest("web", UUID)
    before = guest.ref()
    assert guest.ref() is before
    guest.id = 7
    assert encoded(guest.ref()) == encoded(NonnullDomain("web", UUID, 7))
    guest.name = "db"
    assert encoded(guest.ref()) == encoded(NonnullDomain("db", UUID, 7))
    assert before == NonnullDomain("web", UUID, -1)


@pytest.mark.parametrize("data", [encoded(Guest("web", UUID).ref())])
def test_what_comes_back_can_be_changed(data: bytes) -> None:
    [domain] = codec_for(ConnectListAllDomainsRet).decode(data).domains
    domain.id = 3
    assert domain == NonnullDomain("web", UUID, 3)
