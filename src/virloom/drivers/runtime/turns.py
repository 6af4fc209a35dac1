# SPDX-License-Identifier: Apache-2.0
"""Long work on the event loop, in parts between which others have their turn."""

from __future__ import annotations

import time
from collections.abc import Generator
from types import coroutine

#: Seconds of work after which others wait too long: many times a light call.
_PART = 0.001


@coroutine
def let_others() -> Generator[None]:
    """Lets everything run that has arrived by now, light calls of other clients above all.

    For use between two parts of work of about a millisecond or more each. The first return to the
    loop lets it look for what has arrived, which comes behind us in its queue; the second lets
    that go first.
    """
    yield
    yield


class Parts:
    """For work on many things, each of them short: others have their turn every millisecond."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def over(self) -> bool:
        """Whether it is time to :meth:`rest`."""
        return time.monotonic() - self._begun > _PART

    async def rest(self) -> None:
        """Lets others go, and begins the next part."""
        await let_others()
        self._begun = time.monotonic()
