# SPDX-License-Identifier: Apache-2.0
"""Every command of the table has its function, its help and its place."""

from __future__ import annotations

import json

import pytest

from virloom.cli.commands.manual import page
from virloom.cli.main import COMMANDS as OWN
from virloom.cli.main import main
from virloom.cli.shell import guide
from virloom.cli.shell.registry import function_of, home_of
from virloom.cli.shell.table import COMMANDS, GROUPS
from virloom.cli.words import MODULES


def test_no_command_is_missing_or_has_two_homes() -> None:
    homes = [name for names in MODULES.values() for name in names.split()]
    assert sorted(homes) == sorted(COMMANDS)
    assert not set(OWN) & set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_function_and_help(name: str) -> None:
    assert callable(function_of(name)), home_of(name)
    assert 5 <= len(guide.summary(name)) <= 100
    text = guide.page_of(name)
    assert text is not None
    assert f"{name} - " in text


def test_help_lists_groups_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    shown = capsys.readouterr().out
    assert all(title in shown for title in GROUPS.values())
    assert main(["help", "nope"]) == 1
    assert main(["help", "pool"]) == 0


def test_the_manual_page_names_every_command() -> None:
    text = "\n".join(page())
    assert all(f"\n.B {name}".replace("-", "\\-") in text for name in COMMANDS)


def test_commands_about_the_line_itself_need_no_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo a 'b c' --shell; echo --xml '<&>'; pwd; quit; echo never"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("a 'b c'\n&lt;&amp;&gt;\n/")
    assert "never" not in shown


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["-x", "list"], "unsupported option '-x'. See --help."),
        (["-c"], "option '-c'/'--connect' requires an argument"),
        (["-k", "x", "list"], "Invalid value for option -k"),
        (["-e", "ab", "list"], "Invalid string 'ab' for escape sequence"),
        (["-o", "yaml", "list"], "Invalid value for option -o: 'yaml' is neither json nor plain"),
        (["-c", "foo bar:", "list"], "failed to connect to the hypervisor"),
        (["nope"], "unknown command: 'nope'"),
    ],
)
def test_what_is_wrong_before_a_command(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 1
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith(f"error: {says}")


@pytest.mark.parametrize(
    "words",
    [
        ["pwd", "-o", "json"],
        ["pwd", "--output", "json"],
        ["pwd", "--output=json"],
        ["-o", "plain", "pwd", "-o", "json"],
    ],
)
def test_a_format_may_follow_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["directory"]


def test_words_of_a_text_are_no_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "-o", "json"]) == 0
    assert capsys.readouterr().out == "-o json\n"
    assert main(["pwd", "-o", "yaml"]) == 1
    assert "unexpected data '-o'" in capsys.readouterr().err


def test_values_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", "json", "pwd"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["directory"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("list --name --id", [{"id": "1", "name": "test"}]),
        ("pool-list --name", [{"name": "default-pool"}]),
        (
            "domifaddr test",
            [{
                "name": "testnet0", "mac_address": "aa:bb:cc:dd:ee:ff", "protocol": "ipv4",
                "address": "192.168.122.3/24",
            }],
        ),
        ("freecell --all", {"0": "2048 KiB", "1": "4096 KiB", "total": "6144 KiB"}),
        ("freepages --all --pagesize 4", [{"node": "0", "4kib": "0"}, {"node": "1", "4kib": "0"}]),
        ("desc test", {"description": ""}),
    ],
)  # fmt: skip
def test_lists_and_tables_of_any_form_are_values_in_json(
    line: str, found: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", "test:///default", *line.split(), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
