# SPDX-License-Identifier: Apache-2.0
"""virt-xml-validate, ours and libvirt's: the same exit codes and words on the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.interop.programs import Done, needs, ours, run

pytestmark = needs("virt-xml-validate")

OURS = ours("xml_validate")
THEIRS = ["virt-xml-validate"]
TESTS = Path(__file__).resolve().parents[1]

REAL = sorted(TESTS.glob("parity/corpus/guests/*.xml"))

SMALL = {
    "network": "<network><name>n</name></network>",
    "networkport": "<networkport><uuid>11111111-2222-3333-4444-555555555555</uuid><owner>"
    "<name>n</name><uuid>11111111-2222-3333-4444-555555555555</uuid></owner>"
    "<mac address='52:54:00:7b:35:93'/></networkport>",
    "pool": "<pool type='dir'><name>p</name><target><path>/p</path></target></pool>",
    "volume": "<volume><name>v</name><capacity>1</capacity><target/></volume>",
    "device": "<device><name>d</name><capability type='system'><hardware>"
    "<uuid>11111111-2222-3333-4444-555555555555</uuid></hardware><firmware/>"
    "</capability></device>",
    "filter": "<filter name='f'/>",
    "secret": "<secret><usage type='ceph'><name>n</name></usage></secret>",
    "interface": "<interface type='ethernet' name='eth0'/>",
    "cpu": "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>",
    "domainsnapshot": "<domainsnapshot><name>s</name></domainsnapshot>",
    "domaincheckpoint": "<domaincheckpoint><name>c</name></domaincheckpoint>",
    "domainbackup": "<domainbackup/>",
    "storagepoolCapabilities": "<storagepoolCapabilities/>",
}

NAMED = {"pool": "storagepool", "volume": "storagevol", "device": "nodedev", "filter": "nwfilter",
         "storagepoolCapabilities": "storagepoolcaps"}  # fmt: skip


def both(*words: str | Path, cwd: Path, input: str = "") -> tuple[Done, Done]:
    """Ours and theirs."""
    return tuple(run([*command, *words], cwd=cwd, input=input) for command in (OURS, THEIRS))  # type: ignore[return-value]


def last(done: Done) -> str:
    """The verdict."""
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", SMALL)
def test_every_type_by_its_root_and_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(SMALL[name])
    for words in (["x.xml"], ["x.xml", NAMED.get(name, name)], ["-", NAMED.get(name, name)]):
        done, theirs = both(*words, cwd=tmp_path, input=SMALL[name])
        assert (done.returncode, done.stderr) == (theirs.returncode, theirs.stderr)
    assert theirs.returncode == 0, theirs.stderr


@pytest.mark.parametrize("name", SMALL)
def test_what_nobody_knows_is_refused(name: str, tmp_path: Path) -> None:
    text = SMALL[name].replace(f"<{name}", f"<{name} nonsense='1'", 1)
    (tmp_path / "x.xml").write_text(text)
    done, theirs = both("x.xml", cwd=tmp_path)
    assert (done.returncode, last(done)) == (theirs.returncode, last(theirs))
    assert (theirs.returncode, last(theirs)) == (3, "x.xml fails to validate")
    assert done.stderr.startswith("x.xml:1: ")


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_guests(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "x.xml")
    done, theirs = both("x.xml", cwd=tmp_path)
    assert (done.returncode, last(done)) == (theirs.returncode, last(theirs))


FILES = {
    "unknown.xml": "<foo/>",
    "open.xml": "<domain",
    "empty.xml": "",
    "network.xml": SMALL["network"],
    "commented.xml": f"<?xml version='1.0'?>\n<!-- <domain> -->\n{SMALL['network']}",
}


@pytest.mark.parametrize(
    "words",
    [
        ["nofile.xml"], ["unknown.xml"], ["open.xml"], ["empty.xml"], ["open.xml", "domain"],
        ["network.xml", "nothing"], ["network.xml", "domain"], ["network.xml", "network", "more"],
        ["commented.xml"], ["--", "network.xml"], [], ["-h"], ["--help"], ["--nothing"], ["."],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)  # fmt: skip
def test_the_same_exit_codes(words: list[str], tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    done, theirs = both(*words, cwd=tmp_path)
    assert done.returncode == theirs.returncode, (done.stderr, theirs.stderr)


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version(word: str, tmp_path: Path) -> None:
    done, theirs = both(word, cwd=tmp_path)
    assert f"/usr/bin/{done.stdout}" == theirs.stdout
    assert done.returncode == theirs.returncode == 0
