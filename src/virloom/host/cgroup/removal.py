# SPDX-License-Identifier: Apache-2.0
"""How groups go. The guardian process loads this too, and so it needs next to nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def remove(directories: Iterable[str]) -> list[str]:
    """Removes groups with those below them; one that is not there is no error.

    Returns:
        Those that stay: somebody is in them, or they are not ours to remove.
    """
    left = []
    for directory in directories:
        try:
            gone = _remove(directory)
        except FileNotFoundError:
            continue
        except OSError:  # not ours, or somebody came just now
            gone = False
        if not gone:
            left.append(directory)
    return left


def remove_left(directories: Iterable[str]) -> list[str]:
    """As :func:`remove`, for groups whose guest has ended: nobody is expected in them.

    The kernel keeps a group that somebody is in, so nobody is looked for before, which took three
    quarters of the time. Empty ones below such a one go: this is not for a living guest's.

    Returns:
        Those that stay.
    """
    left = []
    for directory in directories:
        try:
            _remove_inwards(directory)
        except FileNotFoundError:
            continue
        except OSError:  # somebody is in it, or it is not ours
            left.append(directory)
    return left


def _remove_inwards(directory: str) -> None:
    """Removes a group; what is below it is looked for only where it keeps the group."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return
    except OSError:
        for group in _inside(directory):
            _remove_inwards(group)
        os.rmdir(directory)


def _remove(directory: str) -> bool:
    """Removes a group; of one that is in use nothing, not even what is empty below it."""
    if occupied(directory):
        return False
    for group in list(_below(directory)):
        os.rmdir(group)
    return True


def occupied(directory: str) -> bool:
    """Whether any thread is in a group or in one below it."""
    for group in _below(directory):
        for name in ("tasks", "cgroup.threads"):
            try:
                with open(f"{group}/{name}", "rb") as file:
                    if file.read(1):
                        return True
            except OSError:  # of the other version, or not told of this kind of group
                continue
    return False


def _below(directory: str) -> Iterator[str]:
    """A group and all below it, the innermost first."""
    for path in _inside(directory):
        yield from _below(path)
    yield directory


def _inside(directory: str) -> list[str]:
    """The groups in a group."""
    with os.scandir(directory) as entries:
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
