# SPDX-License-Identifier: Apache-2.0
"""Descriptors over sockets. That none leaks is checked after every test."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from virloom.host.fdpass import MAX_FDS, OwnedFds, TooManyDescriptors, recv_fds, send_fds


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    first, second = socket.socketpair()
    first.setblocking(False)
    second.setblocking(False)
    with first, second:
        yield first, second


def test_a_descriptor_arrives_owned_and_close_on_exec(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    reader, writer = os.pipe()
    assert send_fds(ends[0], b"here", [writer]) == 4
    os.close(writer)
    data, fds = recv_fds(ends[1], 100, limit=1)
    assert data == b"here"
    (received,) = fds
    assert not os.get_inheritable(received)
    os.write(received, b"x")
    os.close(received)
    assert os.read(reader, 10) == b"x"
    assert os.read(reader, 10) == b""  # no further copy is open
    os.close(reader)


def test_data_without_descriptors(ends: tuple[socket.socket, socket.socket]) -> None:
    send_fds(ends[0], b"only", [])
    assert recv_fds(ends[1], 100, limit=0) == (b"only", [])


@pytest.mark.parametrize(("sent", "limit"), [(1, 0), (3, 2), (100, 10)])
def test_more_than_allowed_are_all_closed(
    ends: tuple[socket.socket, socket.socket], sent: int, limit: int
) -> None:
    reader, writer = os.pipe()
    send_fds(ends[0], b"x", [writer] * sent)
    os.close(writer)
    with pytest.raises(TooManyDescriptors):
        recv_fds(ends[1], 100, limit=limit)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_most_that_one_message_takes(ends: tuple[socket.socket, socket.socket]) -> None:
    send_fds(ends[0], b"x", [0] * MAX_FDS)
    with OwnedFds(recv_fds(ends[1], 1, limit=MAX_FDS)[1]) as fds:
        assert len(fds) == MAX_FDS
    with pytest.raises(ValueError, match="254"):
        send_fds(ends[0], b"x", [0] * (MAX_FDS + 1))


def test_descriptors_need_data(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(ValueError, match="byte"):
        send_fds(ends[0], b"", [0])


def test_nothing_there_and_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        recv_fds(ends[1], 1, limit=1)
    ends[0].close()
    assert recv_fds(ends[1], 1, limit=1) == (b"", [])


def test_a_gone_peer_is_an_error_not_a_signal(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].close()
    with pytest.raises(BrokenPipeError):
        send_fds(ends[0], b"x", [0])


def test_given_away_descriptors_are_left_open() -> None:
    reader, writer = os.pipe()
    with OwnedFds([reader, writer]) as owned:
        assert owned.release() == [reader, writer]
    os.close(reader)
    os.close(writer)
