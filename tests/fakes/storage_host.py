# SPDX-License-Identifier: Apache-2.0
"""Hosts whose programs answer as a test says, and whose files are a tree of the test."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.host import StorageHost
from virloom.endpoint.areas import Areas
from virloom.host.process import Completed
from virloom.model.storage import Volume

#: What is run, and what it prints; a number before that is its exit code.
Exchange = tuple[str, str] | tuple[str, int, str]


class Answer(NamedTuple):
    """How a program ends, and what it says."""

    output: str = ""
    code: int = 0
    error: str = ""


class AnsweringHost(StorageHost):
    """Runs nothing.

    Attributes:
        asked: The command lines so far, without the ``env`` before them; also of the hosts that a
            driver makes of this one for its work.
    """

    def __init__(self, root: Path, areas: Areas | None = None) -> None:
        super().__init__(root, areas=areas)
        self.asked: list[str] = []

    @abstractmethod
    def answer(self, line: str) -> Answer:
        """What the program of a command line says."""

    async def run(
        self, words: Sequence[str], *, timeout: float = 0, env: Mapping[str, str] | None = None,
        input: bytes | None = None, pass_fds: Sequence[int] = (),
    ) -> Completed:  # fmt: skip
        while words[0] == "env" or "=" in words[0]:
            words = words[1:]
        line = " ".join(words)
        self.asked.append(line)
        said = self.answer(line)
        return Completed(words, said.code, said.output.encode(), said.error.encode())


class RecordedHost(AnsweringHost):
    """Answers by the beginning of a command line; the longest that fits counts.

    Args:
        root: The tree.
        answers: What each says; of a list each call takes the next, and the last one stays. What
            is not there is a program that succeeds and says nothing.
    """

    def __init__(
        self, root: Path, answers: Mapping[str, Answer | list[Answer]], areas: Areas | None = None
    ) -> None:
        super().__init__(root, areas)
        self._answers = dict(answers)

    def answer(self, line: str) -> Answer:
        known = max((each for each in self._answers if line.startswith(each)), key=len, default="")
        found = self._answers.get(known, Answer())
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


class Dialogue(AnsweringHost):
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

    def answer(self, line: str) -> Answer:
        assert self.left, f"nothing more is run, but '{line}'"
        wanted, *said = self.left.pop(0)
        assert line == wanted
        code, text = (int(said[0]), str(said[1])) if len(said) > 1 else (0, str(said[0]))
        return Answer(text) if code == 0 else Answer("", code, text)
