# SPDX-License-Identifier: Apache-2.0
"""Documents on disk become a driver's objects, at its opening and whenever it is told to look."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from virloom.drivers.runtime.objects import Named, ObjectIndex
from virloom.drivers.runtime.store import DocumentStore
from virloom.errors import VirloomError

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Named)


def take_in(
    store: DocumentStore, known: ObjectIndex[T], read: Callable[[str], T], kind: str
) -> None:
    """Takes in documents that came to the disk; those of known objects are left alone.

    One that is damaged, or has another name than its file, is logged and left alone.

    Args:
        read: Makes an object of a document, or raises.
        kind: What the objects are called.
    """
    for document in store.load():
        if known.by_name(document.name) is not None:
            continue
        try:
            found = read(document.text)
            if found.name != document.name:
                raise ValueError(f"its name '{found.name}' is not that of its file")
            known.add(found)
        except (VirloomError, ValueError) as exc:
            logger.error("the %s '%s' is left out: %s", kind, document.name, exc)
