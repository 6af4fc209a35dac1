# SPDX-License-Identifier: Apache-2.0
"""An emulator binary for capability probes: a program that answers QMP on its standard streams.

It counts its starts in a file beside it, and can misbehave to order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MACHINES = [
    {"name": "pc-q35-7.2", "alias": "q35", "cpu-max": 288, "hotpluggable-cpus": True,
     "default-ram-id": "pc.ram", "default-cpu-type": "qemu64-x86_64-cpu", "deprecated": False,
     "numa-mem-supported": False},
    {"name": "pc-i440fx-7.2", "alias": "pc", "is-default": True, "cpu-max": 255,
     "hotpluggable-cpus": True, "deprecated": False, "numa-mem-supported": False},
    {"name": "pc-i440fx-1.4", "cpu-max": 255, "hotpluggable-cpus": True, "deprecated": True,
     "numa-mem-supported": True},
    {"name": "microvm", "cpu-max": 288, "hotpluggable-cpus": False, "deprecated": False,
     "numa-mem-supported": False},
]  # fmt: skip

DEVICES = [{"name": "virtio-blk-pci", "parent": "x"}, {"name": "VGA", "parent": "x"}]

CPU_MODELS = [
    {"name": "max", "typename": "max-x86_64-cpu", "static": False, "migration-safe": False,
     "deprecated": False, "unavailable-features": []},
    {"name": "Skylake-Client", "typename": "Skylake-Client-x86_64-cpu", "static": False,
     "migration-safe": True, "deprecated": False, "alias-of": "Skylake-Client-v1",
     "unavailable-features": ["hle", "rtm", "hle"]},
]  # fmt: skip

ANSWERS: dict[str, Any] = {
    "qmp_capabilities": {},
    "query-target": {"arch": "x86_64"},
    "query-machines": MACHINES,
    "qom-list-types": DEVICES,
    "query-cpu-definitions": CPU_MODELS,
}

_PROGRAM = """#!{python} -IS
import json, sys, time
answers = json.loads({answers!r})
with open({starts!r}, "a") as starts:
    starts.write(sys.argv[0] + "\\n")
{behaviour}
def say(message):
    sys.stdout.write(json.dumps(message) + "\\r\\n")
    sys.stdout.flush()
say({{"QMP": {{"version": {{"qemu": {{"major": 7, "minor": 2, "micro": 22}},
    "package": "fake"}}, "capabilities": ["oob"]}}}})
decoder, text = json.JSONDecoder(), sys.stdin.read()
while text:
    command, end = decoder.raw_decode(text)
    text = text[end:].lstrip()
    name = command["execute"]
    if name == "quit":
        break
    if name in answers:
        say({{"return": answers[name], "id": command["id"]}})
    else:
        say({{"error": {{"class": "CommandNotFound", "desc": name}}, "id": command["id"]}})
"""


class FakeEmulator:
    """A binary in *directory*.

    Args:
        answers: What differs from :data:`ANSWERS`; None takes a command away.
        behaviour: Statements that it does first.
    """

    def __init__(
        self, directory: Path, answers: dict[str, Any] | None = None, behaviour: str = ""
    ) -> None:
        self.path = str(directory / "qemu-system-x86_64")
        self._starts = directory / "starts"
        self.install(answers, behaviour)

    def install(self, answers: dict[str, Any] | None = None, behaviour: str = "") -> None:
        """Puts another program in the binary's place, as an upgrade does."""
        given = {**ANSWERS, **(answers or {})}
        text = _PROGRAM.format(
            python=sys.executable,
            answers=json.dumps({name: value for name, value in given.items() if value is not None}),
            starts=str(self._starts),
            behaviour=behaviour,
        )
        new = Path(self.path + ".new")
        new.write_text(text)
        new.chmod(0o755)
        new.rename(self.path)

    @property
    def starts(self) -> int:
        """How often it was started."""
        return len(self._starts.read_text().splitlines()) if self._starts.exists() else 0
