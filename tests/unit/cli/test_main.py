# SPDX-License-Identifier: Apache-2.0
"""The entry point: finding commands, and one line for whatever goes wrong."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout

import pytest

from virloom.cli.main import COMMANDS, main
from virloom.cli.reader import may_be_left


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "exit code" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["run"], ["doctor", "--nonsense"]])
def test_a_wrong_command_line_is_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "--help" in captured.err


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "/nonexistent/guest.xml"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("virloom validate: ")
    assert "/nonexistent/guest.xml" in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    "before",
    [
        ["-c", "test:///default"],
        ["-o", "json", "--connect=test:///default"],
        ["--output=json"],
    ],
)
def test_uri_and_format_may_come_before_a_command_of_ours(
    before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*before, "explain", "--help"])
    assert ended.value.code == 0
    assert "usage: virloom explain" in capsys.readouterr().out


def test_whoever_reads_may_leave() -> None:
    @may_be_left
    def program(lines: int) -> int:
        print("word\n" * lines)
        return 3

    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody, redirect_stdout(nobody):
        assert program(1) == 141
        print("goes nowhere")
    with redirect_stdout(io.StringIO()):
        assert program(1) == 3
