# SPDX-License-Identifier: Apache-2.0
"""Steps of what drivers do, announced by name, so that tests can order a fault at each one.

A step is announced when it has been done. What is on disk by then must be enough for whoever
comes next to clean up or to go on, should this process die right there. The names are beside the
work: those of guests in ``drivers/qemu/process/steps.py``, those of networks
in ``drivers/network/steps.py``, those of volumes in ``drivers/storage/making.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_observer: Callable[[str], None] | None = None


def reached(step: str) -> None:
    """Announces that *step* has been done; an exception of the observer ends what goes on."""
    if _observer is not None:
        _observer(step)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Calls *observer* with each step that anything in this process reaches."""
    global _observer
    previous, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = previous
