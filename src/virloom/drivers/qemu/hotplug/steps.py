# SPDX-License-Identifier: Apache-2.0
"""Arguments of a QEMU that runs already: as monitor commands, and how each is undone.

The configurators of the command line write into this as into
:class:`~virloom.drivers.qemu.command.arguments.Arguments`, so that a device that is plugged in is
described in the same place as one that was there from the start.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from virloom.drivers.qemu.command.arguments import Arguments, Props, overridden
from virloom.drivers.qemu.hotplug.chardev import chardev_arguments
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import QemuProperty

Command = tuple[str, dict[str, Any]]


class Step(NamedTuple):
    """One monitor command.

    Attributes:
        command, arguments: What is to be done.
        undo: What takes it back; None where nothing does.
        fd: The descriptor that goes with it.
    """

    command: str
    arguments: dict[str, Any]
    undo: Command | None = None
    fd: int | None = None


def undone(steps: Sequence[Step]) -> list[Command]:
    """What takes *steps* back, the last one first."""
    return [step.undo for step in reversed(steps) if step.undo is not None]


class LiveArguments(Arguments):
    """Collects monitor commands instead of a command line.

    Attributes:
        steps: The commands, in order.
    """

    def __init__(
        self,
        files: Mapping[str, int | str],
        overrides: Mapping[str, list[QemuProperty]],
        next_fdset: int,
    ) -> None:
        super().__init__("", files, overrides)
        self.next_fdset = next_fdset
        self.steps: list[Step] = []

    def _add(self, command: str, arguments: Props, undo: Command | None = None) -> None:
        self.steps.append(Step(command, dict(arguments), undo))

    def command(self, name: str, arguments: Props) -> None:
        """What no option can say, and goes with the device."""
        self._add(name, arguments)

    def option(self, name: str, value: str | None = None) -> None:
        if name == "chardev" and value is not None:
            arguments, fd = chardev_arguments(value)
            if fd is not None:
                self._lend(f"fd-{arguments['id']}", fd)
            self._add("chardev-add", arguments, ("chardev-remove", {"id": arguments["id"]}))
        elif name == "watchdog-action":
            self._add("set-action", {"watchdog": value})
        else:
            raise ConfigUnsupported(
                f"'-{name}' cannot be given to a QEMU that runs", domain=ErrorDomain.QEMU
            )

    def device(self, props: Props) -> None:
        name = props.get("id", "")
        changes = self._overrides.get(name)
        props = overridden(props, changes) if changes else props
        self._add("device_add", props, ("device_del", {"id": name}))

    def object(self, props: Props) -> None:
        self._add("object-add", props, ("object-del", {"id": props["id"]}))

    def give_secrets(self, secrets: Mapping[str, bytes]) -> None:
        """Has QEMU told the values of secrets that at a start it would read from files.

        Only root and we can listen to the monitor, whose log masks them; the record never has
        them.
        """
        for number, step in enumerate(self.steps):
            name = step.arguments.get("id", "")
            if step.command == "object-add" and name in secrets:
                value = base64.b64encode(secrets[name]).decode()
                told = {"qom-type": "secret", "id": name, "data": value, "format": "base64"}
                self.steps[number] = step._replace(arguments=told)

    def blockdev(self, props: Props) -> None:
        name = props["node-name"]
        self._add("blockdev-add", props, ("blockdev-del", {"node-name": name}))

    def netdev(self, props: Props) -> None:
        self._add("netdev_add", props, ("netdev_del", {"id": props["id"]}))

    def descriptor(self, key: str) -> int | str:
        """The name of the descriptor, for properties that take one."""
        opened = super().descriptor(key)
        if isinstance(opened, int):
            return self._lend(f"fd-{key}", opened)
        return opened

    def inherited(self, key: str) -> str:
        raise ConfigUnsupported(
            f"'{key}' cannot be opened for a QEMU that runs", domain=ErrorDomain.QEMU
        )

    def fdset(self, key: str) -> str:
        opened = super().descriptor(key)
        if isinstance(opened, str):
            return opened
        number = self.next_fdset
        self.next_fdset += 1
        arguments = {"fdset-id": number, "opaque": key}
        self.steps.append(Step("add-fd", arguments, ("remove-fd", {"fdset-id": number}), opened))
        self.fdsets[key] = number
        return f"/dev/fdset/{number}"

    def _lend(self, name: str, fd: int) -> str:
        undo = ("closefd", {"fdname": name})
        self.steps.append(Step("getfd", {"fdname": name}, undo, fd))
        return name
