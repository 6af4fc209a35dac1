# SPDX-License-Identifier: Apache-2.0
"""Remembered owners: given back exactly once, over a crash at any system call.

A crash is an audit hook that raises in place of a call that changes something.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from virloom.host import ownership
from virloom.host.identity import boot_id
from virloom.host.release import release

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

GUEST = (64123, 64124)
OWNER = (1234, 5678)
_CHANGES = frozenset(("os.chown", "os.setxattr", "os.removexattr", "os.rename", "os.remove"))


class _Fault:
    """What the audit hook does; hooks cannot be taken back, so one stays in."""

    order: Callable[[str], None] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _Fault.order is not None and event in _CHANGES:
        _Fault.order(event)


sys.addaudithook(_hook)


@contextmanager
def fault(order: Callable[[str], None]) -> Iterator[None]:
    _Fault.order = order
    try:
        yield
    finally:
        _Fault.order = None


class Crash(BaseException):
    """The process was killed."""


def crashes_at(call: int) -> Callable[[str], None]:
    """Lets *call* changes pass, then crashes."""
    left = call

    def order(event: str) -> None:
        nonlocal left
        if left == 0:
            raise Crash
        left -= 1

    return order


def no_attributes(event: str) -> None:
    if event == "os.setxattr":
        raise OSError(errno.ENOTSUP, "this file system keeps no attributes")


def passes(event: str) -> None:
    return


Edge = Callable[[str], None]
EDGES = pytest.mark.parametrize("edge", [passes, no_attributes])


class Image:
    """A file and the ways to look at it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "image"
        self.path.touch()
        os.chown(self.path, *OWNER)
        self.state = directory / "lib" / "state"

    def plan(self, token: str) -> dict[str, Any]:
        return ownership.plan(str(self.path), token, *GUEST, str(self.state))

    @property
    def owner(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_uid, found.st_gid

    @property
    def attributes(self) -> dict[str, str]:
        names = os.listxattr(self.path)
        return {name: os.getxattr(self.path, name).decode() for name in names}

    @property
    def is_as_before(self) -> bool:
        return self.owner == OWNER and not self.attributes and not self.remembered

    @property
    def remembered(self) -> list[str]:
        """What the state directory holds."""
        return os.listdir(self.state) if self.state.exists() else []


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@EDGES
def test_taken_and_given_back(image: Image, edge: Edge) -> None:
    with fault(edge):
        resource = image.plan("a")
        assert image.is_as_before
        for _ in range(2):
            ownership.take(resource)
            assert image.owner == GUEST
        for _ in range(2):
            ownership.restore(resource)
            assert image.is_as_before


def test_memory_is_what_libvirt_keeps(image: Image) -> None:
    ownership.take(image.plan("a"))
    ownership.take(image.plan("b"))
    if not image.attributes:
        pytest.skip(f"no trusted attributes in {image.path.parent}")
    assert image.attributes["trusted.libvirt.security.dac"] == "+1234:+5678"
    assert image.attributes["trusted.libvirt.security.ref_dac"] == "2"
    assert image.attributes["trusted.libvirt.security.timestamp_dac"].isdigit()


def test_a_file_that_libvirt_holds_too_is_left_to_it(image: Image) -> None:
    resource = image.plan("a")
    ownership.take(resource)
    if not image.attributes:
        pytest.skip(f"no trusted attributes in {image.path.parent}")
    os.setxattr(image.path, "trusted.libvirt.security.ref_dac", b"2")  # libvirt starts a guest
    ownership.restore(resource)
    assert image.owner == GUEST
    assert image.attributes["trusted.libvirt.security.ref_dac"] == "1"
    assert image.attributes["trusted.libvirt.security.dac"] == "+1234:+5678"


@EDGES
def test_the_last_of_several_gives_it_back(image: Image, edge: Edge) -> None:
    with fault(edge):
        resources = [image.plan(token) for token in "abc"]
        for resource in resources:
            ownership.take(resource)
        for resource in (resources[1], resources[0]):
            ownership.restore(resource)
            assert image.owner == GUEST
        ownership.restore(resources[2])
        assert image.is_as_before


def test_one_that_was_never_taken_has_nothing_to_give_back(image: Image) -> None:
    first, second = image.plan("a"), image.plan("b")
    ownership.take(first)
    ownership.restore(second)
    assert image.owner == GUEST
    os.chown(image.path, 1, 1)
    ownership.restore(second)
    assert image.owner == (1, 1)


def crash(edge: Edge, call: int, act: Callable[[], None]) -> bool:
    """Whether *act* was cut off at its change number *call*."""
    crashing = crashes_at(call)

    def both(event: str) -> None:
        crashing(event)
        edge(event)

    try:
        with fault(both):
            act()
    except Crash:
        return True
    return False


def each_crash(edge: Edge, prepare: Callable[[], Callable[[], None]]) -> Iterator[int]:
    """Prepares and crashes at every change in turn, until none is left to crash at."""
    for call in range(100):
        act = prepare()
        if not crash(edge, call, act):
            return
        yield call
    raise AssertionError("it never ended")


@EDGES
def test_a_crash_while_taking(image: Image, edge: Edge) -> None:
    crashes = 0
    for _ in each_crash(edge, lambda: lambda: ownership.take(image.plan("a"))):
        crashes += 1
        with fault(edge):
            ownership.restore(image.plan("a"))
        assert image.owner == OWNER
    ownership.restore(image.plan("a"))
    assert image.is_as_before
    assert crashes >= 2


@EDGES
def test_a_crash_while_taking_what_another_holds(image: Image, edge: Edge) -> None:
    with fault(edge):
        ownership.take(image.plan("other"))
    for _ in each_crash(edge, lambda: lambda: ownership.take(image.plan("a"))):
        with fault(edge):
            ownership.restore(image.plan("a"))
        assert image.owner == GUEST
    with fault(edge):
        ownership.restore(image.plan("a"))
        assert image.owner == GUEST
        ownership.restore(image.plan("other"))
    assert image.is_as_before


@EDGES
def test_a_crash_while_giving_back(image: Image, edge: Edge) -> None:
    def prepare() -> Callable[[], None]:
        with fault(edge):
            ownership.take(image.plan("a"))
        return lambda: ownership.restore(image.plan("a"))

    for _ in each_crash(edge, prepare):
        with fault(edge):
            ownership.restore(image.plan("a"))
        assert image.is_as_before
    assert image.is_as_before


@EDGES
def test_a_crash_while_giving_back_what_another_holds(image: Image, edge: Edge) -> None:
    def prepare() -> Callable[[], None]:
        with fault(edge):
            ownership.take(image.plan("other"))
            ownership.take(image.plan("a"))
        return lambda: ownership.restore(image.plan("a"))

    for _ in each_crash(edge, prepare):
        with fault(edge):
            ownership.restore(image.plan("a"))
            assert image.owner == GUEST
            ownership.restore(image.plan("other"))
        assert image.is_as_before


def test_a_replaced_file_is_left_alone(image: Image) -> None:
    resource = image.plan("a")
    ownership.take(resource)
    image.path.rename(image.path.with_name("moved"))
    image.path.touch()
    ownership.restore(resource)
    assert image.owner == (0, 0)
    with pytest.raises(FileNotFoundError):
        ownership.take(resource)
    assert image.owner == (0, 0)


def test_a_removed_file_is_forgotten(image: Image) -> None:
    resource = image.plan("a")
    with fault(no_attributes):
        ownership.take(resource)
    assert image.remembered
    image.path.unlink()
    ownership.restore(resource)
    assert not image.remembered


def test_links_are_followed_when_planned_and_never_again(image: Image, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(image.path)
    resource = ownership.plan(str(link), "a", *GUEST, str(image.state))
    assert resource["path"] == str(image.path)
    victim = tmp_path / "victim"
    victim.touch()
    image.path.unlink()
    image.path.symlink_to(victim)
    with pytest.raises(OSError):
        ownership.take(resource)
    assert victim.stat().st_uid == 0


def test_holders_of_an_earlier_boot_are_gone_their_owner_is_not(image: Image) -> None:
    ownership.take(image.plan("before"))
    if not image.attributes:
        pytest.skip(f"no trusted attributes in {image.path.parent}")
    earlier = image.attributes["trusted.virloom.dac"].replace(boot_id(), "another-boot")
    os.setxattr(image.path, "trusted.virloom.dac", earlier.encode())
    os.setxattr(image.path, "trusted.libvirt.security.timestamp_dac", b"1000000000")
    ownership.take(image.plan("now"))
    ownership.restore(image.plan("now"))
    assert image.is_as_before
    ownership.restore(image.plan("before"))
    assert image.is_as_before


def test_what_libvirt_takes_away_with_its_guest_is_remembered(image: Image) -> None:
    """libvirt 9 removes its attributes when a guest ends, whoever else holds the file."""
    ownership.take(image.plan("a"))
    if not image.attributes:
        pytest.skip(f"no trusted attributes in {image.path.parent}")
    for name in ("dac", "ref_dac", "timestamp_dac"):
        os.removexattr(image.path, f"trusted.libvirt.security.{name}")
    ownership.take(image.plan("b"))
    ownership.restore(image.plan("b"))
    assert image.owner == GUEST
    ownership.restore(image.plan("a"))
    assert image.is_as_before


def test_memory_of_libvirt_of_an_earlier_boot_counts_for_nothing(image: Image) -> None:
    try:
        for name, value in (("dac", "+7:+7"), ("ref_dac", "3"), ("timestamp_dac", "1000000000")):
            os.setxattr(image.path, f"trusted.libvirt.security.{name}", value.encode())
    except OSError:
        pytest.skip(f"no trusted attributes in {image.path.parent}")
    ownership.take(image.plan("a"))
    ownership.restore(image.plan("a"))
    assert image.is_as_before


def test_release_gives_owners_back(image: Image) -> None:
    resource = image.plan("a")
    ownership.take(resource)
    assert release([resource]) == []
    assert image.is_as_before
