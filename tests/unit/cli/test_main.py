# SPDX-License-Identifier: Apache-2.0
"""The entry point: finding commands, and one line for whatever goes wrong."""

from __future__ import annotations

import pytest

from virloom.cli.main import COMMANDS, main


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
