# SPDX-License-Identifier: Apache-2.0
"""Frames pass filters of ours as they pass those of libvirt 9: some of ``make parity``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.interop.reference import needs_libvirtd
from tools.parity.filters.compare import compare
from tools.parity.filters.documents import Case, cases

pytestmark = needs_libvirtd

#: Parts of the names of cases: both layers, states, variables, ARP.
SAMPLE = (
    "clean-traffic'/><rule",
    "direction='in' ><tcp dstportstart='22'/></rule><rule action='drop' direction='inout'",
    "'$PORT[@2]'",
    "<arp gratuitous='true' opcode",
)
REFUSED = "action='continue' direction='out' ><tcp/>"


def sample(parts: Sequence[str]) -> list[Case]:
    every = list(cases())
    return [next(case for case in every if part in case.name) for part in parts]


@pytest.mark.long
def test_the_same_frames_pass() -> None:
    assert len(list(cases())) > 60
    *outcomes, refused = compare([*sample(SAMPLE), *sample((REFUSED,))])
    assert isinstance(refused.theirs, str)
    assert isinstance(refused.ours, str)
    assert len(outcomes) == len(SAMPLE)
    for outcome in outcomes:
        assert outcome.same, "\n".join(outcome.lines())
        assert not isinstance(outcome.ours, str)
        assert len(set(outcome.ours.values())) == 2  # some pass, others do not
