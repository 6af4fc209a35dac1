# SPDX-License-Identifier: Apache-2.0
"""Which CPUs are plugged and unplugged."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.monitor.commands.cpu import HotpluggableCpu
from virloom.drivers.qemu.tuning.places import Place, choose_count, choose_some, places_of
from virloom.errors import ConfigUnsupported, InvalidArg, OperationUnsupported


def cpu(socket: int, state: str, size: int = 1) -> HotpluggableCpu:
    """A CPU: ``fixed``, ``plugged`` or ``absent``."""
    path = {
        "fixed": "/machine/unattached/device[0]",
        "plugged": f"/machine/peripheral/vcpu{socket}",
    }.get(state)
    return HotpluggableCpu("some-cpu", size, {"socket-id": socket, "core-id": 0}, path)


def places(*states: str, size: int = 1) -> list[Place]:
    # QEMU tells them from the last to the first.
    return places_of([cpu(number, state, size) for number, state in enumerate(states)][::-1])


def numbers(chosen: list[Place]) -> list[int]:
    return [place.first for place in chosen]


def test_the_first_absent_ones_come_and_the_last_plugged_ones_go() -> None:
    some = places("fixed", "absent", "plugged", "absent")
    chosen, grows = choose_count(some, 2, 4)
    assert (numbers(chosen), grows) == ([1, 3], True)
    chosen, grows = choose_count(places("fixed", "plugged", "plugged", "absent"), 3, 1)
    assert (numbers(chosen), grows) == ([2, 1], False)
    assert [place.alias for place in some] == [None, None, "vcpu2", None]


def test_what_came_with_the_machine_stays() -> None:
    with pytest.raises(ConfigUnsupported, match="unplugged so that there are 1"):
        choose_count(places("fixed", "fixed", "absent"), 2, 1)
    with pytest.raises(ConfigUnsupported):
        choose_count([], 1, 2)


def test_whole_cores() -> None:
    cores = places("fixed", "absent", "absent", size=2)
    assert [list(place.numbers()) for place in cores] == [[0, 1], [2, 3], [4, 5]]
    assert numbers(choose_count(cores, 2, 4)[0]) == [2]
    with pytest.raises(ConfigUnsupported):
        choose_count(cores, 2, 3)
    with pytest.raises(InvalidArg, match="vCPUs 2 to 3"):
        choose_some(cores, {2}, enabled=True)
    assert choose_some(cores, {2, 3}, enabled=True).first == 2


@pytest.mark.parametrize(
    ("chosen", "enabled", "error"),
    [
        ({1}, True, InvalidArg),
        ({3}, False, InvalidArg),
        ({0}, False, OperationUnsupported),
        ({2, 3}, True, InvalidArg),
        ({0, 2}, False, OperationUnsupported),
        (set(), True, OperationUnsupported),
    ],
)
def test_only_one_that_is_not_as_it_should_be(
    chosen: set[int], enabled: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        choose_some(places("fixed", "fixed", "plugged", "absent"), chosen, enabled=enabled)
