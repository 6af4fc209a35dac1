# SPDX-License-Identifier: Apache-2.0
"""Long work on the event loop, in parts between which others have their turn."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine


@coroutine
def let_others() -> Generator[None]:
    """Lets everything run that has arrived by now, light calls of other clients above all.

    For use between two parts of work of about a millisecond or more each. The first return to the
    loop lets it look for what has arrived, which comes behind us in its queue; the second lets
    that go first.
    """
    yield
    yield
