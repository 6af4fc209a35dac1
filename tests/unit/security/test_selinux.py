# SPDX-License-Identifier: Apache-2.0
"""SELinux labels: read from the policy, made for guests, never the same for two."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from virloom.security.selinux import Context, allocate, guest_labels, read_policy

DOMAIN = "system_u:system_r:svirt_t:s0"
IMAGE = "system_u:object_r:svirt_image_t:s0"
CONTENT = "system_u:object_r:virt_content_t:s0"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a policy."""
    contexts = tmp_path / "etc/selinux/targeted/contexts"
    contexts.mkdir(parents=True)
    (tmp_path / "etc/selinux/config").write_text(
        "# policy\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
    )
    (contexts / "virtual_domain_context").write_text(
        f"{DOMAIN}\nsystem_u:system_r:svirt_tcg_t:s0\n"
    )
    (contexts / "virtual_image_context").write_text(f"{IMAGE}\n{CONTENT}\n")
    return tmp_path


def test_the_policy(host: Path) -> None:
    policy = read_policy(host)
    assert [str(label) for label in policy] == [DOMAIN, IMAGE, IMAGE, CONTENT]


def test_a_host_without_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="config"):
        read_policy(tmp_path)


def test_labels_of_a_guest(host: Path) -> None:
    policy, level = read_policy(host), "s0:c3,c700"
    ours = Context.parse("unconfined_u:unconfined_r:virtd_t:s0-s0:c0.c1023")
    assert guest_labels(policy, level) == (
        "system_u:system_r:svirt_t:s0:c3,c700",
        "system_u:object_r:svirt_image_t:s0:c3,c700",
    )
    assert guest_labels(policy, level, process=ours)[0].startswith(
        "unconfined_u:unconfined_r:svirt_t"
    )
    other = guest_labels(policy, level, base="a_u:a_r:a_t:s0", process=ours)[0]
    assert other == "a_u:a_r:a_t:s0:c3,c700"


@pytest.mark.parametrize("text", ["", "a:b", "a::c:s0"])
def test_what_is_no_label(text: str) -> None:
    with pytest.raises(ValueError, match="not an SELinux label"):
        Context.parse(text)


def test_levels_are_two_categories_and_each_once() -> None:
    draw, used = random.Random(1), set[str]()
    for _ in range(2000):
        level = allocate(used, draw)
        low, high = (int(word[1:]) for word in level.removeprefix("s0:").split(","))
        assert 0 <= low < high < 1024
        assert level not in used
        used.add(level)


def test_no_level_is_left() -> None:
    used = {f"s0:c{low},c{high}" for high in range(1024) for low in range(high)}
    last = "s0:c5,c9"
    assert allocate(used - {last}, _Fixed()) == last
    with pytest.raises(LookupError):
        allocate(used)


class _Fixed(random.Random):
    def sample(self, *_: object, **__: object) -> list[int]:  # type: ignore[override]  # one draw
        return [9, 5]
