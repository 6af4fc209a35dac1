# SPDX-License-Identifier: Apache-2.0
"""What counts as a difference from libvirt, and how it is named."""

from __future__ import annotations

from tools.parity import normal, report
from tools.parity.compare import Comparison, compare
from tools.parity.coverage import area, schema_paths, touched
from tools.parity.outcome import Outcome, Refusal, from_json, to_json

GIVEN = "<domain type='qemu'><name>a</name></domain>"
THEIRS = (
    "<domain type='qemu'><name>a</name><uuid>8f3c0f2e-5a51-4b59-9d3c-000000000001</uuid></domain>"
)
OURS = (
    "<domain type='qemu'>\n <name>a</name>"
    "<uuid>11111111-5a51-4b59-9d3c-000000000001</uuid>\n</domain>"
)
LINE = 'LC_ALL=C PATH=/bin /usr/bin/qemu -S -device \'{"driver":"x","id":"y"}\' -m 64'


def of(document: str | Refusal, native: str | Refusal | None = LINE) -> Outcome:
    return Outcome(document, native)


def test_what_is_random_and_how_it_is_spelt_does_not_count() -> None:
    ours = 'LC_ALL=C PATH=/x:/y /usr/bin/qemu -m 64 -S -device \'{"id": "y", "driver": "x"}\''
    assert compare("a", GIVEN, of(THEIRS), of(OURS, ours)) == Comparison("a", True, True, True, [])


def test_what_the_document_gives_counts() -> None:
    given = THEIRS
    result = compare("a", given, of(THEIRS), of(OURS))
    assert result.document is False


def test_causes_of_documents() -> None:
    result = compare("a", GIVEN, of("<d><e f='1'/></d>"), of("<d><e f='2' g='3'/></d>"))
    assert [cause for _, cause, _ in result.causes] == [
        "lacks d/e/@f",
        "has beyond d/e/@f",
        "has beyond d/e/@g",
    ]
    result = compare("a", GIVEN, of("<d><e/><f/></d>"), of("<d><f/><e/></d>"))
    assert [cause for _, cause, _ in result.causes] == ["order: d/e"]


def test_causes_of_options() -> None:
    ours = LINE.replace('"x"', '"z"').replace("-m 64", "-no-acpi")
    result = compare("a", GIVEN, of(THEIRS), of(OURS, ours))
    assert result.options is False
    assert {cause for _, cause, _ in result.causes} == {
        "differs in -device x: driver",
        "lacks -m",
        "has beyond -no-acpi",
    }


def test_verdicts() -> None:
    refused = Refusal(67, 20, "no")
    assert compare("a", GIVEN, of(refused, None), of(Refusal(67, 20, "never"), None)).verdict
    result = compare("a", GIVEN, of(refused, None), of(OURS))
    assert result.causes == [("verdict", "libvirt error 67 domain 20, Virloom accepts", "no")]
    assert compare("a", GIVEN, of(refused, None), of(Refusal(67, 10, "no"), None)).verdict is False
    native = compare("a", GIVEN, of(THEIRS, refused), of(OURS))
    assert (native.verdict, native.document, native.options) == (True, True, False)


def test_moments_and_descriptors_do_not_count() -> None:
    a = '/q -rtc base=2023-01-01T00:00:00 -netdev \'{"type":"tap","fd":"4"}\''
    b = '/q -rtc base=2024-01-01T00:00:01 -netdev \'{"type":"tap","fd":"9"}\''
    assert normal.options(a, "") == normal.options(b, "")


def test_paths_of_a_document() -> None:
    text = (
        "<domain type='kvm'><metadata><x:y xmlns:x='z'/></metadata><devices><disk type='file'>"
        "<source file='/a' foo='1'/></disk></devices></domain>"
    )
    assert touched(text) == {
        "domain",
        "domain/@type",
        "domain/metadata",
        "domain/metadata/*",
        "domain/devices",
        "domain/devices/disk",
        "domain/devices/disk/@type",
        "domain/devices/disk/source",
        "domain/devices/disk/source/@file",
    }
    assert touched("<domain") == frozenset()
    assert len(schema_paths()) == 795 + 1776
    assert area("domain/devices/disk/source/@file") == "domain/devices/disk"
    assert area("domain/os/boot/@dev") == "domain/os"


def test_percentages_and_twins() -> None:
    same = Comparison("a", True, True, None, [])
    other = Comparison("b", True, False, None, [("document", "lacks x", "x = 1")])
    lines = list(report.summary([same, other]))
    assert lines[2].split() == ["document", "1", "2", "50.0"]
    assert lines[3].split() == ["options", "0", "0", "-"]
    assert "lacks x" in "\n".join(report.causes([same, other]))
    paths = {"a": frozenset({"domain"}), "b": frozenset({"domain"})}
    assert list(report.twins(paths)) == ["b touches the same paths as a"]


def test_outcomes_are_kept_as_json() -> None:
    outcome = of(THEIRS, Refusal(1, 2, "x"))
    assert from_json(to_json(outcome)) == outcome
