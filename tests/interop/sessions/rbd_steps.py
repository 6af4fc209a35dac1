# SPDX-License-Identifier: Apache-2.0
"""What sessions about a real Ceph need: see ``device_steps.py``.

DEVICE is the cluster's configuration, for ceph(8) and rbd(8) alone; behind it stand the part of the
session and the administrator's key. The cluster's pools are ``one`` and ``two``, and empty.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from device_steps import DEVICE, step

PART, KEY = sys.argv[4:6]
FIRST, SECOND = (f"{number * 8}-2222-3333-4444-555555555555" for number in "67")
HOST = "<host name='127.0.0.1' port='6789'/>"
MIB = 1 << 20


def rbd(*words: str) -> str:
    """What rbd(8) prints, or why it does not."""
    done = subprocess.run(
        ["rbd", "-c", DEVICE, *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout if done.returncode == 0 else f"failed: {done.returncode}"


def images(pool: str = "one") -> list[Any]:
    """All that the cluster has in a pool: sizes, parents, snapshots."""
    found = []
    for each in json.loads(rbd("ls", "-l", "--format", "json", pool)):
        parent = each.get("parent", {})
        told = [each["image"], each["size"], *(parent.get(name) for name in ("pool", "image"))]
        snapshot = re.sub(r"-\d+$", "-N", each.get("snapshot", ""))
        found.append([*told, snapshot, each.get("protected")])
    return sorted(found, key=str)


def clear() -> None:
    """Removes all images, copies before what they are of."""
    for pool in ("one", "two"):
        for _ in range(4):
            for name, _size, _pool, _origin, snapshot, protected in images(pool):
                if protected == "true":
                    for each in json.loads(rbd("snap", "ls", "--format", "json", f"{pool}/{name}")):
                        rbd("snap", "unprotect", f"{pool}/{name}@{each['name']}")
                if not snapshot:
                    rbd("snap", "purge", f"{pool}/{name}")
                    rbd("rm", "--pool", pool, "--image", name)


def document(
    name: str = "pool", uuid: str | None = FIRST, *, source: str = f"{HOST}<name>one</name>",
    more: str = "", kind: str = "rbd", space: str = "",
) -> str:  # fmt: skip
    known = "" if uuid is None else f"<uuid>{uuid}</uuid>"
    inner = f"<name>{name}</name>{known}<source>{source}</source>{more}"
    return f"<pool type='{kind}'{space}>{inner}</pool>"


def image(name: str = "v", sizes: str = f"<capacity>{8 * MIB}</capacity>", more: str = "") -> str:
    return f"<volume><name>{name}</name>{sizes}{more}</volume>"


def shown(thing: Any, flags: int = 0) -> str:
    """A document, without sizes of the cluster."""
    text: str = thing.XMLDesc(flags)
    if text.startswith("<pool"):
        text = re.sub(r"(<(capacity|allocation|available) unit='bytes'>)[1-9]\d*", r"\1N", text)
    return text


def vary(name: str, call: Callable[[int], Any], flags: tuple[int, ...]) -> None:
    for flag in flags:
        step(f"{name} {flag}", partial(call, flag))
