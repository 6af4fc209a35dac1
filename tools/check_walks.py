# SPDX-License-Identifier: Apache-2.0
"""Checks that what the pages of ``docs/internals`` name is there: files, and names of the code."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from tools.tracked import report, text_of, tracked_files

PAGES = Path("docs/internals")

_LITERAL = re.compile(r"``([^`\n]+)``")
_FILE = re.compile(r"[\w./*-]+\.py")
_FOLDER = re.compile(r"(?!/)(?:[a-z_]+/)+")
#: A function, a class or a method; what is in angle brackets or quotes is somebody else's.
_NAME = re.compile(r"_?[A-Za-z]+(?:_[a-z0-9]+)+|[A-Z][a-z]+[A-Z]\w+")


def unknown(text: str, files: Iterable[str], words: set[str]) -> list[str]:
    """What a page names that is not there.

    Args:
        files: All files of the repository.
        words: All words of its sources.
    """
    places = [f"/{name}" for name in files]

    def is_there(literal: str) -> bool:
        if _FILE.fullmatch(literal):
            return any(fnmatch(place, f"*/{literal}") for place in places)
        if _FOLDER.fullmatch(literal):
            return any(f"/{literal}" in place for place in places)
        name = literal.removesuffix("()")
        return _NAME.fullmatch(name) is None or name in words

    named = dict.fromkeys(_LITERAL.findall(text))
    return [literal for literal in named if not is_there(literal)]


def main() -> int:
    """Entry point."""
    files = tracked_files()
    sources = (
        text_of(path) or ""
        for path in files
        if path.suffix == ".py" and path.parts[0] in ("src", "tests", "tools")
    )
    words = {word for text in sources for word in re.findall(r"\w+", text)}
    problems = [
        f"{path}: there is no {name}"
        for path in files
        if path.suffix == ".rst" and path.parts[:2] == PAGES.parts
        for name in unknown(text_of(path) or "", map(str, files), words)
    ]
    return report(problems, "follow the page with the code open, and say what is there now")


if __name__ == "__main__":
    sys.exit(main())
