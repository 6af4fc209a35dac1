# SPDX-License-Identifier: Apache-2.0
"""Images that mean harm, as volumes of virtstoraged: looked at, told, copied, resized, uploaded.

Nothing that they name comes to light, and none of it takes long, or much memory.
"""

from __future__ import annotations

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import virloom
from tests.interop.conftest import Virtstoraged, virtstoraged_running
from virloom.errors import VirloomError
from virloom.sync.storage.pool import StoragePool

MIB = 1 << 20
SECRET = b"root:$6$nobody-may-read-this"
#: KiB that the daemon may have grown by when it has seen them all.
GROWTH = 24 << 10
#: Seconds that one piece of work may take, on a busy machine.
PATIENCE = 20.0


class Case(NamedTuple):
    """An image.

    Attributes:
        data: How it begins; it is a MiB long.
        format: What it is told as.
        copy: The code of a copy's error; 0 where it is copied.
    """

    data: bytes
    format: str
    copy: int = 0


def qcow2(
    *, backing: bytes = b"", form: bytes = b"raw", size: int = MIB, bits: int = 16,
    l1: int = 1, l1_at: int = 0x30000, refcounts_at: int = 0x10000, refcounts: int = 1,
    incompatible: int = 0, length: int = 104, named: int | None = None, more: bytes = b"",
) -> bytes:  # fmt: skip
    """A header of version 3, with what the fields say."""
    start = 0x200 if backing or named else 0
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, start, len(backing) if named is None else named, bits,
        size, 0, l1, l1_at, refcounts_at, refcounts, 0, 0,
    )  # fmt: skip
    head += struct.pack(">QQQII", incompatible, 0, 0, 4, length)
    if form:
        head += struct.pack(">II", 0xE2792ACA, len(form)) + form.ljust(8, b"\0")
    head += more + bytes(8)
    return head.ljust(0x200, b"\0") + backing


def cases(root: Path) -> dict[str, Case]:
    """All of them, by the name of the file."""
    secret = f"{root}/secret".encode()
    json = b'json:{"driver":"file","filename":"%s"}' % secret
    outside = struct.pack(">II", 0x44415441, len(secret)) + secret.ljust(
        -(-len(secret) // 8) * 8, b"\0"
    )
    descriptor = b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    descriptor += b'createType="monolithicFlat"\nRW 2048 FLAT "%s" 0\n' % secret
    vmdk = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 3, 3, 2048, 128, 1, 1 << 62, 512, 0, 0, 128)
    return {
        "shadow": Case(qcow2(backing=secret), "qcow2", 67),
        "shadow-guessed": Case(qcow2(backing=secret, form=b""), "qcow2", 67),
        "up": Case(qcow2(backing=b"../secret"), "qcow2", 67),
        "json": Case(qcow2(backing=json), "qcow2", 67),
        "nbd": Case(qcow2(backing=b"nbd://192.0.2.1:10809/x"), "qcow2", 67),
        "fat": Case(qcow2(backing=b"fat:/etc"), "qcow2", 67),
        "itself": Case(qcow2(backing=b"itself", form=b"qcow2"), "qcow2", 55),
        "loop-1": Case(qcow2(backing=b"loop-2", form=b"qcow2"), "qcow2", 55),
        "loop-2": Case(qcow2(backing=b"loop-1", form=b"qcow2"), "qcow2", 55),
        "protocol": Case(qcow2(backing=b"plain", form=b"nbd"), "qcow2", 67),
        "outside": Case(qcow2(incompatible=4, more=outside), "qcow2", 67),
        "name-4g": Case(qcow2(named=0xFFFFFFFF), "raw"),
        "header-10g": Case(qcow2(length=0xFFFFFFF8), "qcow2", 1),
        "l1-2t": Case(qcow2(size=(1 << 63) - 512, l1=0xFFFFFFFF), "qcow2", 1),
        "l1-behind": Case(qcow2(l1_at=1 << 60), "qcow2"),
        "refcounts": Case(qcow2(refcounts=0xFFFFFFFF), "qcow2", 1),
        "overlap": Case(qcow2(l1_at=0, refcounts_at=0), "qcow2"),
        "clusters": Case(qcow2(bits=63), "raw"),
        "size": Case(qcow2(size=1 << 63), "raw"),
        "vmdk-extent": Case(descriptor, "raw"),
        "vmdk-sparse": Case(vmdk, "vmdk", 67),
        "vdi": Case(bytes(64) + struct.pack("<II", 0xBEDA107F, 0x10001) + b"\xff" * 400, "raw"),
        "vpc": Case(b"conectix" + b"\xff" * 500, "raw"),
        "qed": Case(b"QED\0" + b"\xff" * 500, "raw"),
        "iso": Case(bytes(32769) + b"CD001" + b"\xff" * 2000, "iso"),
        "luks": Case(b"LUKS\xba\xbe\0\1" + b"\xff" * 600, "raw", 8),
    }  # fmt: skip


@pytest.fixture
def storage() -> Iterator[Virtstoraged]:
    with virtstoraged_running() as daemon:
        yield daemon


def memory(storage: Virtstoraged) -> int:
    """The most that the daemon ever had, in KiB."""
    lines = Path(f"/proc/{storage.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def document(name: str, kind: str) -> str:
    shape = f"<target><format type='{kind}'/></target>"
    return f"<volume><name>{name}</name><capacity>1</capacity>{shape}</volume>"


def test_images_that_mean_harm(storage: Virtstoraged) -> None:
    """Each is a volume, and is copied into both formats, or refused with a code of its own."""
    place, images = storage.root / "pool", cases(storage.root)
    place.mkdir()
    (storage.root / "secret").write_bytes(SECRET * 40000)
    (place / "plain").write_bytes(bytes(MIB))
    with virloom.open_sync(storage.uri()) as conn:
        pool = conn.storage_pools.create_xml(
            f"<pool type='dir'><name>pool</name><target><path>{place}</path></target></pool>"
        )
        pool.refresh()
        former = memory(storage)
        for name, case in images.items():
            with (place / name).open("wb") as file:
                file.write(case.data)
                file.truncate(MIB)
        begin = time.monotonic()
        pool.refresh()
        assert time.monotonic() - begin < PATIENCE
        assert {volume.name for volume in pool.list_volumes()} == {"plain", *images}
        for name, case in images.items():
            _treat(pool, name, case)
        assert memory(storage) - former < GROWTH
    for path in place.iterdir():
        assert SECRET not in path.read_bytes(), path.name
    assert {path.name for path in place.iterdir()} >= {"plain", *images}
    assert not [path.name for path in place.iterdir() if path.name.endswith(".virloom-new")]


def _treat(pool: StoragePool, name: str, case: Case) -> None:
    volume = pool.lookup_volume(name)
    assert f"<format type='{case.format}'/>" in volume.xml_desc(), name
    for kind in ("raw", "qcow2"):
        begin, code = time.monotonic(), 0
        try:
            pool.create_volume(document(f"{name}-{kind}", kind), source=volume.ref)
        except VirloomError as error:
            code = error.code
        assert code == case.copy, f"{name} as {kind}"
        assert time.monotonic() - begin < PATIENCE, name
    if case.format == "qcow2" and case.copy:
        with pytest.raises(VirloomError):
            volume.resize(2 * MIB)


def test_an_upload_may_mean_harm(storage: Virtstoraged, tmp_path: Path) -> None:
    """What was uploaded is an image like any other."""
    place = storage.root / "pool"
    place.mkdir()
    (storage.root / "secret").write_bytes(SECRET)
    (tmp_path / "image").write_bytes(qcow2(backing=b"../secret"))
    run = storage.virsh
    run("pool-create-as", "pool", "dir", "--target", str(place))
    run("vol-create-as", "pool", "v", "1M", "--format", "qcow2")
    run("vol-upload", "v", str(tmp_path / "image"), "pool")
    refused = storage.try_virsh("vol-clone", "v", "w", "pool")
    assert "is in no active pool" in refused.stderr
    assert os.listdir(place) == ["v"]
    run("pool-create-as", "base", "dir", "--target", str(storage.root))
    run("vol-clone", "v", "w", "pool")
    words = ["qemu-img", "convert", "-O", "raw", str(place / "w"), str(tmp_path / "content")]
    subprocess.run(words, check=True)
    assert (tmp_path / "content").read_bytes().startswith(SECRET)
