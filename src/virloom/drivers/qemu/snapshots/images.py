# SPDX-License-Identifier: Apache-2.0
"""What qemu-img does to the images of guests that do not run.

Images are named with their format and without what is behind them, so that qemu-img neither
guesses nor opens anything else.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationFailed
from virloom.host.process import run

#: Seconds: a merge of a large image takes as long as the disk does.
_LIMIT = 24 * 3600.0


class ImageFacts(NamedTuple):
    """What an image says of itself.

    Attributes:
        size: Bytes that the guest sees.
        snapshots: The names of what is kept within it, in order.
    """

    size: int
    snapshots: tuple[str, ...]


def alone(path: str, form: str) -> str:
    """The image by itself, as QEMU's block layer is told (``json:`` of its manual)."""
    driver = "host_device" if os.path.realpath(path).startswith("/dev/") else "file"
    node: dict[str, Any] = {"driver": form, "file": {"driver": driver, "filename": path}}
    if form != "raw":
        node["backing"] = None
    return "json:" + json.dumps(node)


async def _qemu_img(*words: str) -> bytes:
    """Runs qemu-img.

    Raises:
        InternalError: There is none.
        OperationFailed: It failed; says why.
    """
    try:
        done = await run(["qemu-img", *words], timeout=_LIMIT)
    except FileNotFoundError as exc:
        raise InternalError("unable to find qemu-img", domain=ErrorDomain.QEMU) from exc
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OperationFailed(
            f"qemu-img {words[0]}: {said[-1] if said else f'code {done.returncode}'}",
            domain=ErrorDomain.QEMU,
        )
    return done.stdout


async def facts_of(path: str, form: str, *, in_use: bool = False) -> ImageFacts:
    """What the image at *path* says of itself.

    Args:
        in_use: A guest may be using it.

    Raises:
        OperationFailed: It cannot be read, or is in use.
    """
    shared = ("-U",) if in_use else ()
    told = json.loads(await _qemu_img("info", *shared, "--output=json", alone(path, form)))
    return ImageFacts(
        int(told["virtual-size"]), tuple(str(one["name"]) for one in told.get("snapshots", ()))
    )


async def make_overlay(path: str, form: str, behind: str, behind_form: str, size: int) -> None:
    """Makes an empty image at *path*, which must exist as an empty file, upon another one.

    Raises:
        OperationFailed: It cannot be made.
    """
    await _qemu_img(
        "create", "-q", "-u", "-f", form, "-b", behind, "-F", behind_form, "--", path, str(size)
    )


async def keep(path: str, name: str) -> None:
    """Keeps the present content of a qcow2 image within it.

    Raises:
        OperationFailed: The image is full or in use.
    """
    await _qemu_img("snapshot", "-q", "-c", name, alone(path, "qcow2"))


async def go_back(path: str, name: str) -> None:
    """Makes what was kept within a qcow2 image its content again.

    Raises:
        OperationFailed: There is nothing of that name.
    """
    await _qemu_img("snapshot", "-q", "-a", name, alone(path, "qcow2"))


async def drop(path: str, name: str) -> None:
    """Removes what was kept within a qcow2 image.

    Raises:
        OperationFailed: There is nothing of that name.
    """
    await _qemu_img("snapshot", "-q", "-d", name, alone(path, "qcow2"))


async def rebase(path: str, form: str, behind: str, behind_form: str) -> None:
    """Notes in an image that another one is behind it; the content is the caller's business.

    Raises:
        OperationFailed: It cannot be written.
    """
    await _qemu_img("rebase", "-q", "-u", "-f", form, "-b", behind, "-F", behind_form, "--", path)


async def merge(top: str, form: str, behind: str, behind_form: str) -> None:
    """Writes what *top* has into the image behind it.

    Raises:
        OperationFailed: It stopped halfway; doing it again completes it.
    """
    node = json.loads(alone(top, form).removeprefix("json:"))
    node["backing"] = json.loads(alone(behind, behind_form).removeprefix("json:"))
    await _qemu_img("commit", "-q", "-d", "json:" + json.dumps(node))
