# SPDX-License-Identifier: Apache-2.0
"""Dirty bitmaps: QEMU's knowledge of which parts of an image have been written to.

A checkpoint is one persistent bitmap of its name in every disk that it covers, as libvirt 9 makes
them: each records on its own all that is written after its checkpoint, until the checkpoint is
deleted. Where a snapshot has put a new image over another one, the new image has a bitmap of the
same name, and the changes since the checkpoint are those of both (QEMU's
``docs/interop/bitmaps.rst``)::

    vda[2]  c0 c1     changes since the snapshot
    vda[1]  c0 c1     changes from the checkpoints to the snapshot
    vda[0]  c0        was covered by a snapshot before c1
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: One action of QMP's ``transaction``.
Action = dict[str, Any]


class Bitmap(NamedTuple):
    """A bitmap of a block node.

    Attributes:
        marked: Bytes that have been written to.
        granularity: Bytes that one bit stands for.
        recording: What is written is marked.
        persistent: It is kept in the image.
        inconsistent: The image was not closed well: it can only be removed.
    """

    name: str
    marked: int = 0
    granularity: int = 65536
    recording: bool = True
    persistent: bool = True
    inconsistent: bool = False

    @property
    def usable(self) -> bool:
        """Whether it has recorded everything since it was made."""
        return self.recording and self.persistent and not self.inconsistent


#: The named bitmaps of every node.
Bitmaps = Mapping[str, Mapping[str, Bitmap]]


def read_bitmaps(answer: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Bitmap]]:
    """The bitmaps in the answer of ``query-named-block-nodes``; nameless ones are jobs'."""
    return {
        str(node["node-name"]): {
            str(one["name"]): Bitmap(
                str(one["name"]),
                int(one["count"]),
                int(one["granularity"]),
                bool(one["recording"]),
                bool(one["persistent"]),
                bool(one.get("inconsistent")),
            )
            for one in node.get("dirty-bitmaps", ())
            if one.get("name")
        }
        for node in answer
    }


def with_bitmap(chain: Sequence[str], bitmaps: Bitmaps, name: str) -> list[str]:
    """The nodes of a chain, from the top, that have a bitmap, up to the first that has none."""
    found = []
    for node in chain:
        if name not in bitmaps.get(node, {}):
            break
        found.append(node)
    return found


def is_sound(chain: Sequence[str], bitmaps: Bitmaps, name: str) -> bool:
    """Whether a bitmap has all that was written since it was made, over the whole chain."""
    having = with_bitmap(chain, bitmaps, name)
    below = chain[len(having) :]
    if any(name in bitmaps.get(node, {}) for node in below):
        return False  # an image between them does not know
    return bool(having) and all(bitmaps[node][name].usable for node in having)


def add_action(node: str, name: str) -> Action:
    """Begins a bitmap of a checkpoint."""
    data = {"node": node, "name": name, "persistent": True, "disabled": False}
    return {"type": "block-dirty-bitmap-add", "data": data}


def remove_action(node: str, name: str) -> Action:
    """Removes a bitmap."""
    return {"type": "block-dirty-bitmap-remove", "data": {"node": node, "name": name}}


def merge_actions(
    chain: Sequence[str], bitmaps: Bitmaps, name: str, node: str, into: str
) -> list[Action]:
    """Makes the bitmap *into* of *node*, which records nothing, of all that *name* has."""
    having = with_bitmap(chain, bitmaps, name)
    granularity = min(bitmaps[one][name].granularity for one in having)
    made = {"node": node, "name": into, "persistent": False, "disabled": True}
    merged = {"node": node, "target": into, "bitmaps": [{"node": n, "name": name} for n in having]}
    return [
        {"type": "block-dirty-bitmap-add", "data": {**made, "granularity": granularity}},
        {"type": "block-dirty-bitmap-merge", "data": merged},
    ]


def overlay_actions(top: str, overlay: str, bitmaps: Bitmaps) -> list[Action]:
    """What goes with a snapshot: every checkpoint goes on in the image that covers *top*."""
    return [
        {
            "type": "block-dirty-bitmap-add",
            "data": {
                "node": overlay,
                "name": one.name,
                "persistent": True,
                "disabled": False,
                "granularity": one.granularity,
            },
        }
        for one in bitmaps.get(top, {}).values()
        if one.usable and one.name not in bitmaps.get(overlay, {})
    ]
