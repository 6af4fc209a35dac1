# SPDX-License-Identifier: Apache-2.0
"""Programs of ours that use a library of a server that is not trusted, and print JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.qemu_img import ENDING_WITH_US
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError


class Answer(NamedTuple):
    """What a program printed, and whether it went well."""

    told: Any
    good: bool


async def ask_program(
    host: StorageHost, program: ModuleType, asked: Mapping[str, Any], *,
    whom: str, timeout: float, limits: Sequence[str] = (),
) -> Answer:  # fmt: skip
    """Runs a module of ours by itself, which ends with us.

    Args:
        asked: What it reads as JSON.
        whom: The server, for messages.
        timeout: Seconds.
        limits: The words of a program that limits it.

    Raises:
        InternalError: It has failed, and prints no answer.
        OperationTimeout: It does not end.
    """
    words = [*limits, *ENDING_WITH_US, sys.executable or "python3", "-I", "-S"]
    done = await host.run(
        [*words, program.__file__ or ""], timeout=timeout, input=json.dumps(asked).encode()
    )
    try:
        return Answer(json.loads(done.stdout), done.returncode == 0)
    except ValueError as exc:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise InternalError(
            f"the {whom} cannot be asked: {said}", domain=ErrorDomain.STORAGE
        ) from exc
