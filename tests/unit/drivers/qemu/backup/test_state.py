# SPDX-License-Identifier: Apache-2.0
"""A backup as the guest's record has it, its figures, and how it has ended."""

from __future__ import annotations

import json

import pytest

from virloom.drivers.qemu.backup.ending import result
from virloom.drivers.qemu.backup.state import Part, RunningBackup
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.domain import DomainJobType
from virloom.model.snapshot import Backup
from virloom.xml import format_document, parse_document

DISKS = """<disks><disk name='vda' backup='yes' type='file' backupmode='full' index='7'>
<driver type='qcow2'/><{0} file='/a'/></disk><disk name='vdb' backup='yes' type='file'>
<driver type='raw'/><{0} file='/b'/></disk></disks>"""
SERVER = "<server transport='unix' socket='/s'/>"


def backup(mode: str, *outcomes: Status | None) -> RunningBackup:
    """One of two disks whose jobs have ended so."""
    inner = DISKS.format("target") if mode == "push" else SERVER + DISKS.format("scratch")
    text = f"<domainbackup mode='{mode}'>{inner}</domainbackup>"
    made = RunningBackup(parse_document(Backup, text), reuse=False)
    for name, outcome in zip(("vda", "vdb"), outcomes, strict=True):
        part = Part(name, f"backup-{name}", f"node-{name}", f"/{name[-1]}")
        part.outcome = None if outcome is None else int(outcome)
        part.done, part.whole = 10, 40
        made.parts.append(part)
    return made


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_the_record_has_all_of_it(mode: str) -> None:
    made = backup(mode, Status.COMPLETED, None)
    made.stage, made.error, made.tls = "running", "why", True
    made.parts[0].made = True
    again = RunningBackup.from_json(json.loads(json.dumps(made.to_json())))
    assert again.to_json() == made.to_json()
    assert format_document(again.model) == format_document(made.model)
    assert "index='7'" in format_document(again.model)
    assert again.part("backup-vdb") is again.parts[1]
    assert again.disk(again.parts[1]).driver.type == "raw"
    assert again.part("other") is None


def test_what_is_noted_later_is_not_in_an_earlier_note() -> None:
    made = backup("push", None, None)
    noted = made.to_json()
    made.parts[0].made = True
    assert noted["parts"][0]["made"] is False


C, F, X = Status.COMPLETED, Status.FAILED, Status.CANCELED


@pytest.mark.parametrize(
    ("mode", "outcomes", "type"),
    [
        ("push", (C, C), DomainJobType.COMPLETED),
        ("push", (C, X), DomainJobType.CANCELLED),
        ("push", (X, X), DomainJobType.CANCELLED),
        ("push", (F, X), DomainJobType.FAILED),
        ("pull", (X, X), DomainJobType.COMPLETED),
        ("pull", (F, X), DomainJobType.FAILED),
        ("pull", (None, None), DomainJobType.CANCELLED),
    ],
)
def test_how_it_ended(mode: str, outcomes: tuple[Status | None, ...], type: DomainJobType) -> None:
    assert result(backup(mode, *outcomes)) == type


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("push", ["disk_total", "disk_processed", "disk_remaining"]),
        ("pull", ["disk_temp_used", "disk_temp_total"]),
    ],
)
def test_its_figures(mode: str, names: list[str]) -> None:
    made = backup(mode, C, None)
    told = {param.field: param.value.value for param in made.job.params()}
    assert list(told) == ["operation", "time_elapsed", *names]
    assert {told[name] for name in names} <= {80, 20, 60}
    info = made.job.info()
    assert (info.data_total, info.file_processed) == ((80, 20) if mode == "push" else (0, 0))
    made.error = "why"
    made.job.end(DomainJobType.FAILED)
    told = {param.field: param.value.value for param in made.job.params()}
    assert (told["success"], told["errmsg"]) == (False, "why")
    made.job.lost = True
    assert not {*names} & {param.field for param in made.job.params()}
