# SPDX-License-Identifier: Apache-2.0
"""A host whose programs answer from a recorded dialogue, and whose files are a tree of the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.long_work import LongWork
from virloom.endpoint.areas import Areas
from virloom.host.process import Completed


class Answer(NamedTuple):
    """How a program ends, and what it says."""

    output: str = ""
    code: int = 0
    error: str = ""


class RecordedHost(StorageHost):
    """Answers by the beginning of a command line; the longest that fits counts.

    Args:
        root: The tree.
        answers: What each says; of a list each call takes the next, and the last one stays. What
            is not there is a program that succeeds and says nothing.

    Attributes:
        asked: The command lines so far, without the ``env`` before them.
    """

    def __init__(
        self, root: Path, answers: Mapping[str, Answer | list[Answer]], areas: Areas | None = None
    ) -> None:
        super().__init__(root, areas=areas)
        self._answers = dict(answers)
        self.asked: list[str] = []

    def claimed(self, descriptor: int) -> RecordedHost:
        return self

    def working(self, work: LongWork) -> RecordedHost:
        return self

    async def run(
        self,
        words: Sequence[str],
        *,
        timeout: float = 0,
        env: Mapping[str, str] | None = None,
        input: bytes | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        while words[0] == "env" or "=" in words[0]:
            words = words[1:]
        line = " ".join(words)
        self.asked.append(line)
        known = max((each for each in self._answers if line.startswith(each)), key=len, default="")
        answer = self._answers.get(known, Answer())
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return Completed(words, answer.code, answer.output.encode(), answer.error.encode())
