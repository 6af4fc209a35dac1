# SPDX-License-Identifier: Apache-2.0
"""What is refused: clearly, with libvirt's code, and without loss."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import virloom
from virloom.drivers.qemu.capabilities.kvm import usable
from virloom.enums.domain import DomainCreateFlags, DomainDefineFlags
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoNetwork,
    NoSupport,
    OperationInvalid,
    SystemFailure,
    VirloomError,
    XmlDetail,
    XmlError,
    XmlInvalidSchema,
)
from virloom.testing.documents import paused_guest_xml

PAUSED = DomainCreateFlags.START_PAUSED

PLAIN = paused_guest_xml("web")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh root."""
    return tmp_path / "root"


@pytest.fixture
async def conn(root: Path) -> AsyncIterator[virloom.Connection]:
    """An open connection."""
    async with virloom.open(f"qemu:///embed?root={root}") as opened:
        yield opened
        for dom in await opened.list_all_domains(1):
            await dom.destroy()


def leftovers(root: Path) -> list[str]:
    """What only a running guest has."""
    kept = {"autostarted", "driver.lock", "guardian.live", "owners", "recorder"}
    places = [root / "run" / "qemu", root / "lib" / "qemu"]
    return [str(f) for place in places for f in place.iterdir() if f.name not in kept]


def with_devices(devices: str, machine: str = "q35") -> str:
    """A document with these devices."""
    return paused_guest_xml("web", machine=machine, extra_devices=devices)


def disk(target: str, bus: str = "virtio", path: str = "/nonexistent/a.raw", more: str = "") -> str:
    """A disk of a document."""
    inner = f"<source file='{path}'/><target dev='{target}' bus='{bus}'/>{more}"
    return f"<disk type='file'>{inner}</disk>"


_BOMB = (
    "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    "<domain type='qemu'><name>&b;</name></domain>"
)

DOCUMENTS = [
    ("not XML", "no xml at all", XmlDetail, "1: "),
    ("cut off", PLAIN[:80], XmlDetail, "1: "),
    ("entities", _BOMB, XmlError, "DOCTYPE"),
    ("another root", "<network/>", XmlError, "network"),
    ("no name", "<domain type='qemu'/>", VirloomError, "name"),
    ("too deep", "<domain>" + "<a>" * 2000 + "</a>" * 2000 + "</domain>", XmlError, "nested"),
    ("too large", "<domain>" + " " * (32 << 20) + "</domain>", XmlError, "bytes"),
    ("bad number", PLAIN.replace("<vcpu>1", "<vcpu>many"), XmlError, "vcpu"),
    ("bad unit", PLAIN.replace("'MiB'", "'parsec'"), VirloomError, "parsec"),
    ("huge memory", PLAIN.replace(">32<", ">99999999999999999999<"), VirloomError, "memory"),
    ("no memory", PLAIN.replace(">32<", ">0<"), VirloomError, "memory"),
    ("bad name", PLAIN.replace(">web<", ">we/b<"), VirloomError, "we/b"),
    ("bad uuid", PLAIN.replace("<memory", "<uuid>xyz</uuid><memory"), VirloomError, "xyz"),
    ("machine", paused_guest_xml("web", machine="q36"), ConfigUnsupported, "q35"),
    ("arch", PLAIN.replace("x86_64", "pdp11"), ConfigUnsupported, "pdp11"),
    ("bus", with_devices(disk("vda", "scsibus")), VirloomError, "scsibus"),
    ("target twice", with_devices(disk("vda") + disk("vda")), XmlError, "vda"),
    (
        "address twice",
        with_devices(
            "".join(
                disk(
                    f"vd{letter}",
                    more="<address type='pci' domain='0' bus='0' slot='5' function='0'/>",
                )
                for letter in "ab"
            ),
            machine="pc",
        ),
        XmlError,
        "0000:00:05.0",
    ),
    ("ide on q35", with_devices(disk("hda", "ide")), ConfigUnsupported, "ide|IDE"),
    ("too many vcpus", PLAIN.replace("<vcpu>1", "<vcpu>4000"), VirloomError, "4000"),
]


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [case[1:] for case in DOCUMENTS],
    ids=[case[0] for case in DOCUMENTS],
)
async def test_documents(
    conn: virloom.Connection, root: Path, document: str, error: type[VirloomError], words: str
) -> None:
    for call in (conn.define_xml, conn.create_xml):
        with pytest.raises(error, match=words):
            await call(document)
    assert await conn.list_all_domains() == []
    assert leftovers(root) == []


async def test_a_name_that_nobody_knows_is_an_error_only_if_asked(
    conn: virloom.Connection,
) -> None:
    document = PLAIN.replace("<devices>", "<nonsense/><devices>")
    with pytest.raises(XmlInvalidSchema, match="nonsense"):
        await conn.define_xml(document, DomainDefineFlags.VALIDATE)
    dom = await conn.define_xml(document)
    assert "nonsense" not in await dom.xml_desc()


async def test_what_nobody_serves_is_kept_and_not_started(conn: virloom.Connection) -> None:
    device = (
        "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/><model type='virtio'/></interface>"
    )
    dom = await conn.define_xml(with_devices(device))
    assert "<source dev='/dev/vhost-vdpa-0'/>" in await dom.xml_desc()
    with pytest.raises(ConfigUnsupported, match=r"interface.*vdpa"):
        await dom.create()


# -- starts ----------------------------------------------------------------------------------------


STARTS = [
    ("no disk file", with_devices(disk("vda")), SystemFailure, "/nonexistent/a.raw"),
    ("a directory", with_devices(disk("vda", path="/usr")), VirloomError, "/usr"),
    (
        "no kernel",
        PLAIN.replace("</type>", "</type><kernel>/nonexistent/vmlinuz</kernel>"),
        SystemFailure,
        "/nonexistent/vmlinuz",
    ),
    (
        "no emulator",
        with_devices("<emulator>/nonexistent/qemu</emulator>"),
        SystemFailure,
        "/nonexistent/qemu",
    ),
    (
        "an emulator that is none",
        with_devices("<emulator>/bin/true</emulator>"),
        VirloomError,
        "/bin/true",
    ),
    (
        "cpu",
        PLAIN.replace("<devices>", "<cpu><model>Pentium9</model></cpu><devices>"),
        VirloomError,
        "Pentium9",
    ),
    (
        "passthrough",
        PLAIN.replace("<devices>", "<cpu mode='host-passthrough'/><devices>"),
        ConfigUnsupported,
        "host-passthrough",
    ),
    (
        "a network without networks",
        with_devices("<interface type='network'><source network='default'/></interface>"),
        NoNetwork,
        "'default'",
    ),
    ("no memory for it", PLAIN.replace(">32<", ">8388608<"), VirloomError, "memory"),
]


@pytest.mark.parametrize(
    ("document", "error", "words"), [case[1:] for case in STARTS], ids=[case[0] for case in STARTS]
)
async def test_starts(
    conn: virloom.Connection, root: Path, document: str, error: type[VirloomError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        await conn.create_xml(document, PAUSED)
    if error is SystemFailure:
        assert caught.value.int1 > 0  # errno
    assert await conn.list_all_domains() == []
    assert leftovers(root) == []


async def test_an_image_in_use_is_said_in_qemus_words(
    conn: virloom.Connection, root: Path, tmp_path: Path
) -> None:
    image = tmp_path / "a.raw"
    image.write_bytes(b"\0" * 65536)
    await conn.create_xml(
        paused_guest_xml("db", extra_devices=disk("vda", path=str(image))), PAUSED
    )
    with pytest.raises(InternalError, match="lock"):
        await conn.create_xml(with_devices(disk("vda", path=str(image))), PAUSED)
    assert [dom.name for dom in await conn.list_all_domains()] == ["db"]


# -- roots -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["qemu:///embed", "qemu:///embed?root=", "qemu:///embed?root=a/b"])
async def test_roots_that_are_none(uri: str) -> None:
    with pytest.raises(InvalidArg, match="root"):
        async with virloom.open(uri):
            pass


async def test_other_drivers_cannot_be_embedded(root: Path) -> None:
    with pytest.raises(NoSupport):
        async with virloom.open(f"network:///embed?root={root}"):
            pass


async def test_no_daemon_serves_an_embedded_root(root: Path) -> None:
    program = Path(sys.executable).with_name("virtqemud")
    for _ in range(2):  # while it is open, and afterwards
        async with virloom.open(f"qemu:///embed?root={root}"):
            done = await asyncio.to_thread(_ends, [str(program), "--root", str(root)])
        assert done == (1, f"'{root}' is the root directory of an embedded driver")
    assert _ends([str(program), "--root", str(root)]) == done
    supervisor = str(program.with_name("virloom"))
    assert _ends([supervisor, "daemons", "--root", str(root)]) == (2, done[1])
    assert not (root / "run/libvirt").exists()


def _ends(command: list[str]) -> tuple[int, str]:
    """The exit code of a command, and what it says is wrong."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr.partition("not valid: ")[2].partition(";")[0]


async def test_no_driver_is_embedded_in_the_root_of_daemons(root: Path) -> None:
    place = root / "run/libvirt/secrets"
    place.mkdir(parents=True)
    (place / "driver.lock").touch()
    for directory in (root, Path("/")):
        with pytest.raises(OperationInvalid, match=f"'{directory}' is the root directory of da"):
            async with virloom.open(f"qemu:///embed?root={directory}"):
                pass
    assert sorted(path.name for path in root.iterdir()) == ["run"]


async def test_a_root_that_is_a_file(root: Path) -> None:
    root.write_text("")
    with pytest.raises(SystemFailure, match=str(root)):
        async with virloom.open(f"qemu:///embed?root={root}"):
            pass
    assert root.read_text() == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> None:
    """Writes to a file until the disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, b"x" * 512):
            pass
    except OSError as exc:
        assert exc.errno == errno.ENOSPC
    finally:
        os.close(fd)


async def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    async with virloom.open(f"qemu:///embed?root={small_disk}") as conn:
        dom = await conn.define_xml(PLAIN)
        before = await dom.xml_desc()
        await dom.create(PAUSED)
        fill(small_disk / "ballast")
        with pytest.raises(SystemFailure, match="No space"):
            await dom.set_title("t" * 8192, 2)
        with pytest.raises(SystemFailure, match="No space"):
            await conn.create_xml(paused_guest_xml("db"), PAUSED)
        assert [guest.name for guest in await conn.list_all_domains()] == ["web"]
        await dom.resume()  # its record cannot be written; the guest runs all the same
        assert await dom.is_active()
        await dom.destroy()
        (small_disk / "ballast").unlink()
        assert await dom.xml_desc() == before
        await dom.create(PAUSED)
        await dom.destroy()
        assert leftovers(small_disk) == []


async def test_a_root_that_cannot_be_made() -> None:
    with pytest.raises(SystemFailure, match="/proc/nowhere"):
        async with virloom.open("qemu:///embed?root=/proc/nowhere"):
            pass


async def test_a_record_that_is_none_is_left_alone(root: Path) -> None:
    uri = f"qemu:///embed?root={root}"
    async with virloom.open(uri):
        record = root / "run" / "qemu" / "web.json"
        record.write_text("{ not a record")
    async with virloom.open(uri) as conn:
        assert await conn.list_all_domains() == []
        dom = await conn.create_xml(paused_guest_xml("db"), PAUSED)
        await dom.destroy()
    assert record.read_text() == "{ not a record"


async def test_kvm_where_it_runs_no_guests(conn: virloom.Connection, tmp_path: Path) -> None:
    document = PLAIN.replace("type='qemu'", "type='kvm'", 1)
    if await usable(tmp_path):
        dom = await conn.create_xml(document, PAUSED)
        assert await dom.is_active()
        return
    with pytest.raises(ConfigUnsupported, match="type='qemu'"):
        await conn.create_xml(document, PAUSED)


async def test_a_setting_that_nothing_here_keeps(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "qemu.conf").write_text("vnc_tls = 1\nchardev_tls = 1\nset_process_name = 1\n")
    port = "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>"
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        with pytest.raises(ConfigUnsupported, match="keeps vnc_tls"):
            await conn.create_xml(with_devices("<graphics type='vnc'/>"), PAUSED)
        assert not leftovers(root)
        dom = await conn.create_xml(PLAIN, PAUSED)
        with pytest.raises(ConfigUnsupported, match="keeps chardev_tls"):
            await dom.devices.attach(port)
        await dom.destroy()
