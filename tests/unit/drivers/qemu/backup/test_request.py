# SPDX-License-Identifier: Apache-2.0
"""What documents of backups may say, and what is filled in."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.backup.request import check_exports, complete, parse_backup
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationUnsupported,
    XmlError,
    XmlInvalidSchema,
)
from virloom.model.domain import Domain
from virloom.model.snapshot import Backup
from virloom.xml import format_document, parse_document

GUEST = parse_document(
    Domain,
    """<domain type='qemu'><name>x</name><devices>
<disk type='file' device='disk'><source file='/i/a'/><target dev='vda' bus='virtio'/></disk>
<disk type='block' device='disk'><source dev='/dev/b'/><target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<disk type='file' device='cdrom'><source file='/i/c'/><target dev='sdb' bus='sata'/><readonly/>
</disk>
</devices></domain>""",
)
SERVER = "<server name='localhost' port='1'/>"
UNIX = "<server transport='unix' socket='/s'/>"


def push(disks: str, more: str = "") -> str:
    return f"<domainbackup>{more}<disks>{disks}</disks></domainbackup>"


def pull(disks: str = "", server: str = UNIX) -> str:
    chosen = f"<disks>{disks}</disks>" if disks else ""
    return f"<domainbackup mode='pull'>{server}{chosen}</domainbackup>"


def completed(text: str) -> Backup:
    model = parse_backup(text)
    complete(model, GUEST, "now")
    return model


TARGET = "<target file='/t'/>"


@pytest.mark.parametrize(
    "text",
    [
        push("<disk name='vda'/>"),
        push("<disk name='/i/a' type='file'/>"),
        push(f"<disk name='vda' backup='no' type='file'>{TARGET}</disk>"),
        push("<disk name='vda' type='file'><scratch file='/t'/></disk>"),
        push("<disk name='vda' type='file'><target file='t'/></disk>"),
        push("<disk name='vda' type='file'><target dev='/t'/></disk>"),
        push("<disk name='vda' type='block'><target file='/t'/></disk>"),
        push(f"<disk name='vda' type='network'>{TARGET}</disk>"),
        push("<disk name='vda' type='file' exportname='e'/>"),
        push("<disk name='vda' type='file' index='3'/>"),
        push("<disk name='vda' type='file' backupmode='full' incremental='c'/>"),
        push(f"<disk name='vda' type='file'><driver type='odd'/>{TARGET}</disk>"),
        push("", UNIX),
        "<domainbackup mode='pull'/>",
        pull("<disk name='vda' type='block'/>"),
        pull(f"<disk name='vda' type='file'>{TARGET}</disk>"),
        pull("<disk name='vda'><driver type='qcow2'/></disk>"),
        pull("<disk name='vda'><driver type='raw'/><scratch file='/s'/></disk>"),
        pull(server="<server/>"),
        pull(server="<server transport='unix'/>"),
        pull(server="<server transport='unix' socket='s'/>"),
        pull(server="<server transport='unix' socket='/s' port='1'/>"),
        pull(server="<server name='localhost' socket='/s'/>"),
        pull(server="<server name='local host' port='1'/>"),
        pull(server="<server name='localhost' port='x'/>"),
    ],
)
def test_what_the_schema_does_not_have(text: str) -> None:
    with pytest.raises(XmlInvalidSchema):
        parse_backup(text)


def test_a_port_must_be_named_and_be_one() -> None:
    with pytest.raises(OperationUnsupported):
        parse_backup(pull(server="<server name='localhost'/>"))
    for port in ("0", "65536"):
        with pytest.raises(InvalidArg):
            parse_backup(pull(server=f"<server name='localhost' port='{port}'/>"))
    with pytest.raises(XmlError):
        parse_backup("<domain/>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (push("<disk name='vdx' type='file'/>"), "no disk named"),
        (push("<disk name='sda' type='file'/>"), "no media"),
        (push("<disk name='vda' type='file'/><disk name='vda' type='file'/>"), "twice"),
        (push("<disk name='vda' type='file' backupmode='incremental'/>"), "requires"),
        (push("<disk name='vdb' type='file'/>"), "generate"),
        (push("<disk name='vda' type='block'/>"), "generate"),
        (push("<disk name='vda' backup='no'/>"), "no disks selected"),
    ],
)
def test_what_the_guest_does_not_have(text: str, words: str) -> None:
    with pytest.raises(ConfigUnsupported, match=words):
        completed(text)


def test_all_that_is_left_open_is_filled_in() -> None:
    text = pull(
        "<disk name='vdb' incremental='c' type='file'><scratch file='/s'/></disk>"
        "<disk name='vda' exportname='root'/>",
        SERVER,
    )
    assert format_document(completed(text)) == (
        "<domainbackup mode='pull'>\n"
        "  <server transport='tcp' name='localhost' port='1'/>\n"
        "  <disks>\n"
        "    <disk name='vdb' backup='yes' type='file' backupmode='incremental' incremental='c'"
        " exportname='vdb' exportbitmap='backup-vdb'>\n"
        "      <driver type='qcow2'/>\n"
        "      <scratch file='/s'/>\n"
        "    </disk>\n"
        "    <disk name='vda' backup='yes' type='file' backupmode='full' exportname='root'>\n"
        "      <driver type='qcow2'/>\n"
        "      <scratch file='/i/a.now'/>\n"
        "    </disk>\n"
        "    <disk name='sda' backup='no'/>\n"
        "    <disk name='sdb' backup='no'/>\n"
        "  </disks>\n"
        "</domainbackup>\n"
    )


def test_a_disk_may_choose_otherwise_than_the_rest() -> None:
    disks = "".join(f"<disk name='{name}' {{}}>{TARGET}</disk>" for name in ("vda", "vdb"))
    text = push(
        disks.format("type='file' backupmode='full'", "type='file'"),
        "<incremental>c</incremental>",
    )
    found = completed(text).disks.disks
    assert [(one.backup_mode, one.incremental) for one in found[:2]] == [
        ("full", None),
        ("incremental", "c"),
    ]


def test_export_names_are_different() -> None:
    scratch = "<scratch file='/s'/>"
    model = completed(
        pull(
            f"<disk name='vda' type='file'>{scratch}</disk>"
            f"<disk name='vdb' type='file' exportname='vda'>{scratch}</disk>"
        )
    )
    with pytest.raises(InternalError):
        check_exports(model)
