# SPDX-License-Identifier: Apache-2.0
"""Programs of the host that change its interfaces, run to their end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from virloom.drivers.interface.plan import Step, made_devices, undoing_steps
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.host.process import Completed, run
from virloom.model.interface import HostInterface

#: Seconds: a DHCP client tries for a minute.
_PATIENCE = 120.0


def is_there(device: str) -> bool:
    """Whether the kernel has a device of that name."""
    return os.path.exists(f"/sys/class/net/{device}")


def has_own_type(device: str) -> bool:
    """Whether the kernel has a device of that name that is no plain Ethernet one: a bond, a VLAN…

    So its driver says (``DEVTYPE`` in Documentation/ABI/testing/sysfs-uevent of the kernel).
    """
    try:
        return "DEVTYPE=" in Path(f"/sys/class/net/{device}/uevent").read_text()
    except OSError:
        return False


async def succeed(argv: Sequence[str], doing: str) -> None:
    """Runs a program that must succeed.

    Raises:
        OperationFailed: It does not; its last words are in the message.
    """
    done = await run(argv, timeout=_PATIENCE)
    if done.returncode:
        raise OperationFailed(f"{doing}: {said(done)}", domain=ErrorDomain.INTERFACE)


async def do_steps(steps: Sequence[Step], doing: str, *, forgiving: bool = False) -> None:
    """Has ip(8) do *steps*, all by one process.

    Args:
        forgiving: Each step may fail.

    Raises:
        OperationFailed: One failed, and the rest was not tried.
    """
    lines = "".join(" ".join(step.words) + "\n" for step in steps)
    argv = ["ip", *(["-force"] if forgiving else []), "-batch", "-"]
    done = await run(argv, input=lines.encode(), timeout=_PATIENCE)
    if done.returncode and not forgiving:
        raise OperationFailed(f"{doing}: {said(done)}", domain=ErrorDomain.INTERFACE)


async def undo(model: HostInterface) -> None:
    """Takes an interface down, and what its document had made away.

    Raises:
        OperationFailed: Something that was made is still there.
    """
    await do_steps(undoing_steps(model), f"cannot take '{model.name}' down", forgiving=True)
    left = [name for name in made_devices(model) if is_there(name)]
    if left:
        raise OperationFailed(
            f"'{model.name}' cannot be taken down: {', '.join(left)} stays",
            domain=ErrorDomain.INTERFACE,
        )


def said(done: Completed) -> str:
    """The last words of a program, or how it ended."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    words = [line for line in lines if line and not line.startswith("Command failed -:")]
    return "; ".join(words[-3:]) or f"'{done.argv[0]}' ended with {done.returncode}"
