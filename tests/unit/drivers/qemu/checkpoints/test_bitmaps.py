# SPDX-License-Identifier: Apache-2.0
"""Which bitmaps a checkpoint has in a chain of images, and what is done with them."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.checkpoints.bitmaps import (
    Bitmap,
    is_sound,
    merge_actions,
    overlay_actions,
    read_bitmaps,
    with_bitmap,
)

CHAIN = ["top", "middle", "base"]


def known(**nodes: list[Bitmap]) -> dict[str, dict[str, Bitmap]]:
    return {node: {one.name: one for one in bitmaps} for node, bitmaps in nodes.items()}


def test_bitmaps_of_jobs_have_no_name() -> None:
    job = {"granularity": 65536, "count": 0, "recording": False, "persistent": False}
    own = {**job, "name": "c", "recording": True, "persistent": True, "inconsistent": True}
    answer = [{"node-name": "top", "dirty-bitmaps": [job, own]}, {"node-name": "base"}]
    assert read_bitmaps(answer) == {
        "top": {"c": Bitmap("c", 0, 65536, True, True, True)},
        "base": {},
    }


@pytest.mark.parametrize(
    ("having", "sound"),
    [
        (["top"], True),
        (["top", "middle"], True),
        (["top", "middle", "base"], True),
        ([], False),
        (["middle"], False),
        (["top", "base"], False),
    ],
)
def test_no_image_in_between_may_lack_it(having: list[str], sound: bool) -> None:
    bitmaps = known(**{node: [Bitmap("c")] for node in having})
    assert is_sound(CHAIN, bitmaps, "c") is sound


@pytest.mark.parametrize("field", ["recording", "persistent"])
def test_one_that_does_not_record_is_not_sound(field: str) -> None:
    bitmaps = known(top=[Bitmap("c")], middle=[Bitmap("c")._replace(**{field: False})])
    assert not is_sound(CHAIN, bitmaps, "c")
    broken = known(top=[Bitmap("c", inconsistent=True)])
    assert not is_sound(CHAIN, broken, "c")


def test_the_changes_of_the_chain_are_merged() -> None:
    bitmaps = known(
        top=[Bitmap("c", granularity=65536), Bitmap("d")],
        middle=[Bitmap("c", granularity=32768)],
        base=[Bitmap("b")],
    )
    assert with_bitmap(CHAIN, bitmaps, "c") == ["top", "middle"]
    add, merge = merge_actions(CHAIN, bitmaps, "c", "scratch", "backup-vda")
    assert add["data"] == {
        "node": "scratch",
        "name": "backup-vda",
        "persistent": False,
        "disabled": True,
        "granularity": 32768,
    }
    sources = [{"node": "top", "name": "c"}, {"node": "middle", "name": "c"}]
    assert merge["data"] == {"node": "scratch", "target": "backup-vda", "bitmaps": sources}


def test_a_new_image_goes_on_with_what_is_sound() -> None:
    bitmaps = known(top=[Bitmap("c"), Bitmap("d", recording=False), Bitmap("e", inconsistent=True)])
    actions = overlay_actions("top", "new", bitmaps)
    assert [(one["data"]["node"], one["data"]["name"]) for one in actions] == [("new", "c")]
