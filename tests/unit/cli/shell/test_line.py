# SPDX-License-Identifier: Apache-2.0
"""Words and lines become calls of commands, as virsh reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.cli.shell.line import LineError, parse_line, parse_words, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("list --all", [["list", "--all"]]),
        ("a; b\nc;;", [["a"], ["b"], ["c"]]),
        ('a \'b c\' "d \\" e" f\\ g', [["a", "b c", 'd " e', "f g"]]),
        ("a # b; c\nd", [["a"], ["d"]]),
        ("a b#c", [["a", "b#c"]]),
        ("a 'b", [["a", "b"]]),
        ("a ''", [["a", ""]]),
        ("a \\\n --b\\\nc; \\\nd", [["a", "--bc"], ["d"]]),
        ("\"a\\\nb\" 'c\\\nd'", [["ab", "c\\\nd"]]),
        ("  ", []),
    ],
)
def test_a_line_is_split_as_a_shell_splits_it(text: str, words: list[list[str]]) -> None:
    assert split(text) == words


@pytest.mark.parametrize(("text", "says"), [('a "b', 'missing "'), ("a \\", "dangling \\")])
def test_an_open_quote_is_an_error(text: str, says: str) -> None:
    with pytest.raises(LineError, match=says.replace("\\", "\\\\")):
        split(text)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_quoted_words_come_back(words: list[str]) -> None:
    line = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    assert split(line) == [words]


def test_options_by_name_and_by_place() -> None:
    by_place = parse_words(["setvcpus", "guest", "2", "--config"]).arguments
    by_name = parse_words(["setvcpus", "--config", "--count=2", "--domain", "guest"]).arguments
    for arguments in (by_place, by_name):
        assert arguments.text("domain") == "guest"
        assert arguments.integer("count") == 2
        assert arguments.flag("config") == 1
        assert "live" not in arguments


def test_words_that_are_left_go_where_many_fit() -> None:
    arguments = parse_words(["send-key", "guest", "KEY_A", "--codeset", "linux", "KEY_B"]).arguments
    assert arguments.words("keycode") == ["KEY_A", "KEY_B"]
    assert arguments.text("codeset") == "linux"


def test_after_two_dashes_nothing_is_an_option() -> None:
    arguments = parse_words(["echo", "--shell", "--", "--xml"]).arguments
    assert arguments.words("string") == ["--xml"]
    assert "xml" not in arguments


def test_aliases_of_options_and_commands() -> None:
    assert parse_words(["nodedev-dettach", "x"]).command.name == "nodedev-detach"
    tune = parse_words(["blkdeviotune", "g", "vda", "--total_bytes_sec", "1"]).arguments
    assert tune.integer("total-bytes-sec") == 1
    assert (
        parse_words(["attach-disk", "g", "/x", "vdb", "--shareable"]).arguments.text("mode")
        == "shareable"
    )


def test_help_takes_the_place_of_what_is_asked_about() -> None:
    (call,) = parse_line("dominfo --help")
    assert call.command.name == "help"
    assert call.arguments.text("command") == "dominfo"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nope", "unknown command: 'nope'"),
        ("list --nope", "command 'list' doesn't support option --nope"),
        ("list --all=1", "invalid '=' after option --all"),
        ("list --all --all", "option --all already seen"),
        ("list word", "unexpected data 'word'"),
        ("dominfo", "command 'dominfo' requires <domain> option"),
        ("start --domain", "expected syntax: --domain <string>"),
        ("setvcpus g --count", "expected syntax: --count <number>"),
        ("list; nope", "unknown command: 'nope'"),
    ],
)
def test_what_is_no_call_is_refused_whole(line: str, says: str) -> None:
    with pytest.raises(LineError) as caught:
        parse_line(line)
    assert str(caught.value) == says
