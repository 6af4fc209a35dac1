# SPDX-License-Identifier: Apache-2.0
"""What a daemon leaves with whoever watches it."""

from __future__ import annotations

import os

from virloom.cli.store import DescriptorStore


def descriptor() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_kept_replaced_and_removed() -> None:
    store = DescriptorStore()
    first, second, other = descriptor(), descriptor(), descriptor()
    store.take("FDSTORE=1\nFDNAME=a\nFDPOLL=0", [first])
    store.take("FDSTORE=1\nFDNAME=b", [other])
    store.take("FDSTORE=1\nFDNAME=a", [second])
    assert store.held == {"a": second, "b": other}
    assert not is_open(first)
    store.take("FDSTOREREMOVE=1\nFDNAME=a", [])
    store.take("FDSTOREREMOVE=1\nFDNAME=nosuch", [])
    assert store.held == {"b": other}
    store.close()
    assert store.held == {}
    assert not is_open(other)


def test_descriptors_that_nobody_asks_to_keep_are_closed() -> None:
    store = DescriptorStore()
    stray, kept = [descriptor(), descriptor()], descriptor()
    store.take("READY=1", stray[:1])
    store.take("FDSTORE=1\nFDNAME=a", [kept, stray[1]])
    assert not any(map(is_open, stray))
    assert len(store.held) == 1
    store.close()
