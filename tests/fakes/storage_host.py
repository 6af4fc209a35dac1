# SPDX-License-Identifier: Apache-2.0
"""A host whose programs answer from a dialogue, and whose files are those of a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.host import StorageHost
from virloom.host.process import Completed
from virloom.model.storage import Volume

#: What is run, and what it prints; a number before that is its exit code.
Exchange = tuple[str, str] | tuple[str, int, str]


class Dialogue(StorageHost):
    """Programs are run in the order of the dialogue, and no others.

    Args:
        root: Where its files are.
        exchanges: The dialogue.
        sizes: Bytes of block devices, by path.
    """

    def __init__(
        self, root: Path, exchanges: Sequence[Exchange] = (), sizes: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(root)
        self.left = list(exchanges)
        self.sizes = dict(sizes or {})

    async def device(self, path: str, name: str) -> Volume:
        return named_volume("block", name, path, self.sizes[path])

    async def run(
        self, words: Sequence[str], *, timeout: float = 0, env: Mapping[str, str] | None = None,
        input: bytes | None = None, pass_fds: Sequence[int] = (),
    ) -> Completed:  # fmt: skip
        said = " ".join(words).removeprefix("env LC_ALL=C ")
        assert self.left, f"nothing more is run, but '{said}'"
        wanted, *answer = self.left.pop(0)
        assert said == wanted
        code, text = (answer[0], answer[1]) if len(answer) > 1 else (0, answer[0])
        printed, complained = (text, "") if code == 0 else ("", text)
        return Completed(words, int(code), str(printed).encode(), str(complained).encode())
