# SPDX-License-Identifier: Apache-2.0
"""Lines of commands, run by virsh and by our command on the same libvirtd."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.reference import needs_libvirtd
from virloom.cli.main import main

#: Ours, of the environment that runs the tests.
VIRLOOM = Path(sys.executable).with_name("virloom")

_LINES = Path(__file__).with_name("lines")

needs_virsh = [
    *needs_libvirtd,
    pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed"),
]

# What differs from run to run: times, and names of files that an editor is given.
_PASSING = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?|(?<=<creationTime>)\d+|/tmp/vir(?:sh|loom)\w+"
)


def lines_of(*files: str) -> list[Any]:
    """The lines of files in ``lines/``, as parameters that are named by file and number."""
    found = []
    for file in files:
        text = (_LINES / f"{file}.txt").read_text()
        for number, line in enumerate(text.splitlines(), 1):
            found.append(pytest.param(line, id=f"{file}-{number}"))
    return found


class Told(NamedTuple):
    """What a command line left behind."""

    code: int
    output: str
    errors: str


def run(
    program: str | Path, uri: str, line: str, directory: Path, *options: str, **settings: str
) -> Told:
    """Runs a line in a directory; *settings* are variables of the environment."""
    ran = subprocess.run(
        [program, *options, "-c", uri, line],
        cwd=directory,
        env={**os.environ, "LC_ALL": "C.UTF-8", **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    # Not read as text: that would take carriage returns for ends of lines.
    return _told(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode())


def run_here(uri: str, line: str, directory: Path, *options: str, **settings: str) -> Told:
    """Runs a line by our command in this process, which costs less than one of its own."""
    # With bytes beneath, for a secret's value is written as such.
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with open(os.devnull) as nothing, pytest.MonkeyPatch.context() as changed:
        changed.setattr(sys, "stdin", nothing)
        changed.chdir(directory)
        for name, value in settings.items():
            changed.setenv(name, value)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main([*options, "-c", uri, line])
    return _told(code, _written(output), _written(errors))


def _written(file: io.TextIOWrapper) -> str:
    file.flush()
    beneath = file.buffer
    assert isinstance(beneath, io.BytesIO)
    return beneath.getvalue().decode(errors="replace")


def _told(code: int, output: str, errors: str) -> Told:
    return Told(code, _PASSING.sub("…", output), _PASSING.sub("…", errors))


def without_progress(told: Told) -> Told:
    """The same without how far a job was when somebody looked."""
    return told._replace(errors=re.sub(r"\r[A-Z][A-Za-z ]+: \[ *[0-9]+ %\]", "", told.errors))


def masked(told: Told, *patterns: str) -> Told:
    """The same without what differs from one moment to the next."""
    output = told.output
    for pattern in patterns:
        output = re.sub(pattern, "…", output, flags=re.MULTILINE)
    return told._replace(output=output)


def assert_same(uri: str, line: str, directory: Path, **settings: str) -> None:
    """Both say the same of a line, and end alike."""
    theirs = run("virsh", uri, line, directory, **settings)
    ours = run_here(uri, line, directory, **settings)
    assert ours == theirs, line


@contextlib.contextmanager
def place_with(files: Mapping[str, str]) -> Iterator[Path]:
    """A directory that everybody may enter, with the files that lines name."""
    with tempfile.TemporaryDirectory(prefix="cli-") as name:
        path = Path(name)
        path.chmod(0o755)
        write_all(path, files)
        yield path


def write_all(directory: Path, files: Mapping[str, str]) -> None:
    """Writes the files that lines name."""
    for name, text in files.items():
        path = directory / name
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
