# SPDX-License-Identifier: Apache-2.0
"""Tables, fields and values: as virsh lays them out, and as JSON."""

from __future__ import annotations

import json

import pytest

from virloom.cli.shell.columns import render, width
from virloom.cli.shell.output import JsonOutput, PlainOutput, key_of


def test_a_table_is_as_wide_as_its_cells() -> None:
    text = render(["Id", "Name", "State"], [["1", "test", "running"]])
    assert text == " Id   Name   State\n----------------------\n 1    test   running\n"


def test_without_headers_only_rows_count() -> None:
    assert render(None, [["1", "test", "running"]]) == " 1   test   running\n"
    assert render(None, []) == ""


def test_wide_and_harmful_characters() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    text = render(["Name", "X"], [["日本", "a"], ["b\x1b[", "c"]])
    assert "\x1b" not in text
    assert "\\x1b[" in text


def test_quiet_leaves_out_words_but_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    output = PlainOutput(quiet=True)
    output.note("only for a reader")
    output.fields([("Id:", 1)])
    output.end()
    assert capsys.readouterr().out == "Id:             1\n"


def _json_of(capsys: pytest.CaptureFixture[str]) -> object:
    found: object = json.loads(capsys.readouterr().out)
    return found


def test_json_of_tables_fields_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    output = JsonOutput()
    output.table(["Id", "CPU time"], [["1", "2"], ["3", "4"]])
    output.end()
    assert _json_of(capsys) == [{"id": "1", "cpu_time": "2"}, {"id": "3", "cpu_time": "4"}]
    output.fields([("Max memory:", " 5 KiB"), ("CPU(s):", 2)])
    output.note("done")
    output.end()
    assert _json_of(capsys) == {"max_memory": "5 KiB", "cpu_s": 2, "message": "done"}
    output.document("<a/>")
    output.end()
    assert _json_of(capsys) == {"document": "<a/>"}


def test_keys_have_no_odd_characters() -> None:
    assert key_of("CPU(s):") == "cpu_s"
    assert key_of("vcpu.0.time") == "vcpu.0.time"
