# SPDX-License-Identifier: Apache-2.0
"""``virloom validate``: exit codes, and where an error is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.cli.main import main
from virloom.testing.documents import paused_guest_xml


def check(path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors for a document of *text*."""
    path.write_text(text)
    code = main(["validate", str(path)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_guest_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "guest.xml"
    assert check(path, paused_guest_xml("g"), capsys) == (0, f"{path}: valid\n", "")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("<vcpu>", "<nonsense/><vcpu>", "domain/nonsense"),
        ("<serial type=", "<serial wrong='1' type=", "domain/devices/serial"),
        ("unit='MiB'", "unit='cows'", "memory"),
        ("</domain>", "", "no element found"),
        ("<domain ", "<!DOCTYPE x [<!ENTITY y 'z'>]><domain ", "DOCTYPE"),
    ],
)
def test_errors_have_a_path(
    old: str, new: str, where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "guest.xml"
    text = paused_guest_xml("g")
    assert old in text
    code, output, errors = check(path, text.replace(old, new, 1), capsys)
    assert (code, output) == (1, "")
    assert errors.startswith("virloom validate: ")
    assert len(errors.splitlines()) == 1
    assert str(path) in errors
    assert where in errors


DIRECT = (
    "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/><model type='virtio'/></interface>"
)


def test_what_would_not_start_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "guest.xml"
    text = paused_guest_xml("g", extra_devices=DIRECT)
    code, output, errors = check(path, text, capsys)
    assert (code, errors) == (0, "")
    assert "devices/interface[1]/@type='vdpa'" in output


def test_every_document_type_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.xml"
    text = "<network><name>n</name><bridge name='b0'/></network>"
    assert check(path, text, capsys) == (0, f"{path}: valid\n", "")
    code, _, errors = check(path, text.replace("name='b0'", "label='b0'"), capsys)
    assert code == 1
    assert "network/bridge/@label: unknown attribute" in errors


def test_a_root_that_no_document_has_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = check(tmp_path / "x.xml", "<guest/>", capsys)
    assert code == 1
    assert "'guest'" in errors
    assert "domainsnapshot" in errors


def test_the_schema_of_a_type_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--rng", "secret"]) == 0
    assert '<element name="usage">' in capsys.readouterr().out
