# SPDX-License-Identifier: Apache-2.0
"""The two judges of virt-xml-validate, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.cli.programs.xml_validate import SCHEMAS, judged_by_reader, judged_by_schema, main
from virloom.model import DOCUMENTS, document_class

TESTS = Path(__file__).resolve().parents[3]
GUESTS = sorted(TESTS.glob("parity/corpus/guests/*.xml"))


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.stem)
def test_both_judges_agree(path: Path) -> None:
    cls = document_class("domain")
    assert cls is not None
    good = path.read_bytes()
    assert bool(judged_by_schema(cls, "x", good)) == bool(judged_by_reader(cls, "x", good))
    bad = good.replace(b"</domain>", b"<nonsense/></domain>")
    assert judged_by_schema(cls, "x", bad)
    assert judged_by_reader(cls, "x", bad)


def test_every_document_has_its_schema() -> None:
    assert set(SCHEMAS.values()) == set(DOCUMENTS)


def test_the_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.xml"
    assert main([str(path)]) == 2
    path.write_text("<network><name>n</name></network>")
    assert main([str(path)]) == 0
    assert main([str(path), "nothing"]) == 4
    assert main([str(path), "domain"]) == 3
    path.write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><network>&a;</network>")
    assert main([str(path)]) == 3
    assert main([str(path), "network"]) == 1
    assert f"{path} validates" in capsys.readouterr().err


def test_a_missing_file_is_the_users_error() -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 1
