# SPDX-License-Identifier: Apache-2.0
"""Which threads for input and output a guest has."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain

#: Each is a thread of QEMU; nobody has this many.
MOST_IOTHREADS = 16384


def iothread_ids(dom: Domain) -> list[int]:
    """Their numbers, in the document's order; from 1 where none are given.

    Raises:
        ConfigUnsupported: There are more than a process can have.
    """
    given = [thread.id or 0 for thread in dom.iothreadids.iothreads]
    count = max(dom.iothreads or 0, len(given))
    if count > MOST_IOTHREADS:
        raise ConfigUnsupported(
            f"{count} I/O threads are more than {MOST_IOTHREADS}", domain=ErrorDomain.DOMAIN
        )
    taken, number = set(given), 1
    while len(given) < count:
        if number not in taken:
            given.append(number)
        number += 1
    return given
