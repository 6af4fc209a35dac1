# SPDX-License-Identifier: Apache-2.0
"""Documents of snapshots, checkpoints and backups: typed, and the same again when written."""

from __future__ import annotations

import pytest

from virloom.errors import XmlError, XmlInvalidSchema
from virloom.model.snapshot import Backup, Checkpoint, Snapshot
from virloom.xml import format_document, parse_document
from virloom.xml.element import Element

SNAPSHOT = """<domainsnapshot>
  <name>s2</name>
  <description>second</description>
  <state>running</state>
  <parent>
    <name>s1</name>
  </parent>
  <creationTime>1795579270</creationTime>
  <memory snapshot='external' file='/m'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'/>
      <source file='/o'/>
    </disk>
    <disk name='vdb' snapshot='no'/>
  </disks>
  <domain type='test'>
    <name>x</name>
    <memory unit='KiB'>1024</memory>
    <os>
      <type arch='i686'>hvm</type>
      <boot dev='hd'/>
    </os>
    <devices>
      <disk type='file' device='disk'>
        <source file='/i/a'/>
        <target dev='vda' bus='virtio'/>
      </disk>
    </devices>
  </domain>
  <active>1</active>
</domainsnapshot>
"""

CHECKPOINT = """<domaincheckpoint>
  <name>c1</name>
  <description>d</description>
  <creationTime>1795579270</creationTime>
  <disks>
    <disk name='vda' checkpoint='bitmap' bitmap='b' size='65536'/>
  </disks>
</domaincheckpoint>
"""

BACKUP = """<domainbackup mode='pull'>
  <incremental>c1</incremental>
  <server transport='tcp' tls='yes' name='localhost' port='10809'/>
  <disks>
    <disk name='vda' backup='yes' type='file' backupmode='incremental' incremental='c1' \
exportname='vda' exportbitmap='b'>
      <driver type='qcow2'/>
      <scratch file='/scratch'>
        <encryption format='luks'>
          <secret type='passphrase' usage='u'/>
        </encryption>
      </scratch>
    </disk>
    <disk name='vdb' backup='no'/>
  </disks>
</domainbackup>
"""


@pytest.mark.parametrize(
    ("cls", "text"), [(Snapshot, SNAPSHOT), (Checkpoint, CHECKPOINT), (Backup, BACKUP)]
)
def test_what_is_read_is_written(cls: type[Element], text: str) -> None:
    assert format_document(parse_document(cls, text, validate=True)) == text


def test_fields_are_typed() -> None:
    snapshot = parse_document(Snapshot, SNAPSHOT)
    assert snapshot.domain is not None
    assert snapshot.domain.devices.disks[0].source.file == "/i/a"
    assert snapshot.disks.disks[0].source.file == "/o"
    assert (snapshot.creation_time, snapshot.active) == (1795579270, 1)
    backup = parse_document(Backup, BACKUP)
    assert backup.disks.disks[1].backup is False


def test_a_domain_inside_has_the_schema_of_domains() -> None:
    text = SNAPSHOT.replace("<devices>", "<nonsense/><devices>")
    with pytest.raises(XmlInvalidSchema):
        parse_document(Snapshot, text, validate=True)


def test_words_that_do_not_exist_are_refused() -> None:
    with pytest.raises(XmlError):
        parse_document(Checkpoint, CHECKPOINT.replace("'bitmap'", "'everything'"))
