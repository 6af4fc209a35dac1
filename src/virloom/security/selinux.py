# SPDX-License-Identifier: Apache-2.0
"""SELinux: each guest a pair of categories of its own, and files that carry it (sVirt).

The types come from the policy's ``virtual_domain_context`` and ``virtual_image_context``; the
level of a guest is ``s0:cA,cB`` with a pair that no running guest of the host has, so that the
kernel keeps guests of one type apart.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

ATTRIBUTE = "security.selinux"
EXEC_FILE = "/proc/self/attr/exec"

_CONFIG = Path("etc/selinux/config")
_CATEGORIES = 1024
_SENSITIVITY = "s0"


class Context(NamedTuple):
    """A label: ``user:role:type:level``, the level perhaps with colons of its own."""

    user: str
    role: str
    type: str
    level: str = ""

    @classmethod
    def parse(cls, text: str) -> Context:
        """A label from its text.

        Raises:
            ValueError: It has not that form.
        """
        fields = text.strip().rstrip("\0").split(":", 3)
        if len(fields) < 3 or not all(fields[:3]):
            raise ValueError(f"'{text}' is not an SELinux label")
        return cls(*fields)

    def __str__(self) -> str:
        return ":".join((self.user, self.role, self.type, *([self.level] if self.level else [])))


class Policy(NamedTuple):
    """What the policy says of guests.

    Attributes:
        domain: Label of a QEMU, without its own categories.
        image: Label of a file that one guest writes to.
        shared: Label of a file that guests share.
        content: Label of a file that guests only read.
    """

    domain: Context
    image: Context
    shared: Context
    content: Context


def read_policy(root: Path = Path("/")) -> Policy:
    """The labels of the policy that the host has.

    Raises:
        OSError: There is no policy.
        ValueError: It says nothing of guests.
    """
    words = [line.partition("=") for line in (root / _CONFIG).read_text().splitlines()]
    kinds = [value.strip() for name, _, value in words if name.strip() == "SELINUXTYPE"]
    if not kinds:
        raise ValueError(f"{root / _CONFIG} names no policy")
    contexts = root / "etc/selinux" / kinds[-1] / "contexts"
    domain = _contexts(contexts / "virtual_domain_context")[0]
    images = _contexts(contexts / "virtual_image_context")
    content = images[1] if len(images) > 1 else images[0]
    return Policy(domain, images[0], images[0]._replace(level=_SENSITIVITY), content)


def _contexts(path: Path) -> list[Context]:
    found = [Context.parse(line) for line in path.read_text().splitlines() if line.strip()]
    if not found:
        raise ValueError(f"{path} is empty")
    return found


def allocate(used: Collection[str], draw: random.Random | None = None) -> str:
    """A level of two categories that nobody has.

    Args:
        used: The levels of the guests that run.
        draw: The source of the choice; by default one that cannot be foreseen.

    Raises:
        LookupError: All half a million are in use.
    """
    source = draw or random.SystemRandom()
    if len(used) >= _CATEGORIES * (_CATEGORIES - 1) // 2:
        raise LookupError("no pair of SELinux categories is free")
    while True:
        low, high = sorted(source.sample(range(_CATEGORIES), 2))
        level = f"{_SENSITIVITY}:c{low},c{high}"
        if level not in used:
            return level


def guest_labels(
    policy: Policy, level: str, *, base: str | None = None, process: Context | None = None
) -> tuple[str, str]:
    """The labels of a guest's QEMU and of the files that it writes to.

    Args:
        level: From :func:`allocate`.
        base: ``<baselabel>``: whose type QEMU has instead of the policy's.
        process: Ours, whose user and role a guest's label keeps as libvirt has it.

    Raises:
        ValueError: *base* is no label.
    """
    domain = Context.parse(base) if base else policy.domain
    if process is not None and not base:
        domain = domain._replace(user=process.user, role=process.role)
    return str(domain._replace(level=level)), str(policy.image._replace(level=level))


def current(path: str) -> str:
    """The label of a file; empty for none, and for a file system that keeps none."""
    try:
        return os.getxattr(path, ATTRIBUTE).decode().rstrip("\0")
    except OSError:
        return ""


def relabel(path: str, label: str) -> None:
    """Label a file; a symbolic link is followed.

    Raises:
        OSError: The file system or the kernel refuses.
    """
    os.setxattr(path, ATTRIBUTE, label.encode() + b"\0")
