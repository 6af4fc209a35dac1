# SPDX-License-Identifier: Apache-2.0
"""Gluster pools: what our program is told, and what is made of what it says.

What it says here was said by it of a volume of Gluster 10.3, and what is compared by libvirt 9.0.0
of the same files.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.storage_host import Answer, RecordedHost
from virloom.drivers.storage import gluster_files
from virloom.drivers.storage.backends.gluster import GlusterBackend
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoSupport,
    OperationFailed,
    StorageVolExist,
    SystemFailure,
    XmlError,
)
from virloom.host import process
from virloom.host.process import Completed
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource, SourceHost
from virloom.xml import format_document

NOWHERE = Path("/nowhere")
VOLUMES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><cliOutput><opRet>0</opRet><volInfo>'
    "<volumes><volume><name>images</name></volume><volume><name>v</name></volume></volumes>"
    "</volInfo></cliOutput>"
)
FIND = "gluster --xml --log-file=/dev/null volume info all --remote-host=server"
#: Of a file that is written to at a whole second: no fraction is shown then.
TIMES = {"atime": 10**18, "mtime": 1795755526053755140, "ctime": 1795755532559833582}
LIBVIRT = """<volume type='network'>
  <name>sp ace:%é</name>
  <key>gluster://server:24007/v/sub/sp%20ace%3A%25%C3%A9</key>
  <capacity unit='bytes'>7340032</capacity>
  <allocation unit='bytes'>197120</allocation>
  <physical unit='bytes'>196616</physical>
  <target>
    <path>gluster://server:24007/v/sub/sp%20ace%3A%25%C3%A9</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0640</mode>
      <owner>1000</owner>
      <group>1000</group>
    </permissions>
    <timestamps>
      <atime>1000000000</atime>
      <mtime>1795755526.053755140</mtime>
      <ctime>1795755532.559833582</ctime>
      <btime>0</btime>
    </timestamps>
    <compat>1.1</compat>
    <features/>
  </target>
  <backingStore>
    <path>base.img</path>
    <format type='raw'/>
  </backingStore>
</volume>
"""


def qcow2(name: bytes = b"base.img") -> bytes:
    """The head of an image of 7 MiB that is laid over another one."""
    head = b"QFI\xfb" + struct.pack(">IQIIQI", 3, 512, len(name), 16, 7 << 20, 0)
    head = head.ljust(72, b"\0") + struct.pack(">QQQII", 0, 0, 0, 4, 104)
    head += struct.pack(">II", 0xE2792ACA, 3) + b"raw".ljust(8, b"\0")
    return head.ljust(512, b"\0") + name.ljust(65536 - 512, b"\0")


def seen(name: str, size: int, blocks: int, mode: int = 0o100640, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "mode": mode, "uid": 1000, "gid": 1000, "size": size, "blocks": blocks,
        **TIMES, **more,
    }  # fmt: skip


def head(data: bytes) -> dict[str, str]:
    return {"head": base64.b64encode(zlib.compress(data)).decode()}


class Server(RecordedHost):
    """Our program answers what a test says, by what it is asked to do."""

    def __init__(self, answers: dict[str, Any], **programs: Answer) -> None:
        super().__init__(NOWHERE, programs)
        self.answers = answers
        self.read: list[dict[str, Any]] = []

    async def run(self, words: Sequence[str], **how: Any) -> Completed:
        if gluster_files.__file__ not in words:
            return await super().run(words, **how)
        assert words[0] == "prlimit"
        self.read.append(json.loads(how["input"]))
        answer = self.answers[self.read[-1]["do"]]
        if isinstance(answer, bytes):
            return Completed(words, 1, b"", answer)
        failed = bool(answer) and isinstance(answer[-1], str)
        return Completed(words, int(failed), json.dumps(answer).encode(), b"")


def backend(**answers: Any) -> tuple[GlusterBackend, Server]:
    host = Server({"measure": [601563136, 592424960], **answers})
    return GlusterBackend(host), host


def pool(directory: str = "/sub", volume: str = "v", host: str = "server' port='24007") -> Pool:
    return parse_pool(
        f"<pool type='gluster'><name>g</name><source><host name='{host}'/>"
        f"<dir path='{directory}'/><name>{volume}</name></source></pool>"
    )


async def test_what_there_is() -> None:
    gluster, host = backend(
        list=[
            seen("sp ace:%é", 196616, 385, **head(qcow2())),
            seen("raw", 1 << 20, 8, **head(bytes(1024))),
            seen("empty", 0, 0, **head(b"")),
            seen("dir", 4096, 8, 0o40755),
            seen("line\nbreak", 10, 1, **head(b"")),
        ]
    )
    model = pool()
    volumes = await gluster.look(model)
    assert list(volumes) == ["sp ace:%é", "raw", "empty", "dir"]
    assert format_document(volumes["sp ace:%é"]).strip() == LIBVIRT.strip()
    sizes = {
        name: (each.type, each.capacity.value, each.allocation.value, each.physical.value)
        for name, each in volumes.items()
    }
    assert sizes["raw"] == ("network", 1 << 20, 4096, 1 << 20)
    assert sizes["empty"] == ("network", 0, 0, None)
    assert sizes["dir"] == ("netdir", 4096, 4096, 4096)
    assert volumes["dir"].target.format.type == "dir"
    room = (model.capacity.value, model.allocation.value, model.available.value)
    assert room == (601563136, 9138176, 592424960)
    assert host.read[0] == {
        "do": "list", "host": "server", "port": 24007, "volume": "v", "directory": "/sub/",
        "address": "gluster://server:24007/v/",
    }  # fmt: skip


async def test_addresses() -> None:
    for directory, server, key in (
        ("/", "::1", "gluster://[::1]/v/x"),
        ("/a b/c", "h", "gluster://h/v/a%20b/c/x"),
    ):
        gluster, _ = backend(list=[seen("x", 1, 1, **head(b"x"))])
        volumes = await gluster.look(pool(directory, host=server))
        assert volumes["x"].key == volumes["x"].target.path == key


async def test_a_volume_that_is_there_is_not_made() -> None:
    gluster, _ = backend()
    there = StoragePool(pool())
    there.volumes["x"] = Volume(name="x")
    with pytest.raises(StorageVolExist):
        gluster.check_new(there, Volume(name="x"))
    with pytest.raises(NoSupport):
        gluster.check_new(there, Volume(name="y"))


@pytest.mark.parametrize(
    ("given", "path"), [("/sub//d/", "/sub/d"), ("//x", "//x"), ("/", "/"), ("sub/", "sub")]
)
def test_needless_slashes(given: str, path: str) -> None:
    source = pool(given).source
    assert source is not None
    assert source.dir.path == path


async def test_a_volume_goes() -> None:
    gluster, host = backend(remove=None)
    for kind, folder in (("network", False), ("netdir", True)):
        await gluster.remove(pool(), Volume(name="x", type=kind), 0)
        asked = host.read[-1]
        assert (asked["do"], asked["name"], asked["folder"]) == ("remove", "x", folder)
    for flag in (1, 2):
        with pytest.raises(InvalidArg):
            await gluster.remove(pool(), Volume(name="x", type="network"), flag)
    full, _ = backend(remove=[39, "cannot remove directory '/sub/x'"])
    with pytest.raises(SystemFailure, match="not empty") as caught:
        await full.remove(pool(), Volume(name="x", type="netdir"), 0)
    assert caught.value.int1 == 39


async def test_what_is_refused() -> None:
    away, _ = backend(list=[107, "failed to connect to gluster://server:24007/v/"])
    with pytest.raises(SystemFailure, match="not connected"):
        await away.look(pool())
    broken, _ = backend(list=b"a traceback")
    with pytest.raises(InternalError, match="a traceback"):
        await broken.look(pool())
    gluster, host = backend()
    for model, words in ((pool("sub"), "must start with /"), (pool(volume="v/w"), "contain /")):
        with pytest.raises(XmlError, match=words):
            await gluster.look(model)
    assert not host.read
    with pytest.raises(NoSupport):
        await gluster.make(pool(), Volume(name="x"), metadata=False)
    with pytest.raises(NoSupport):
        await gluster.delete(pool(), 0)


async def test_sources() -> None:
    def asked(said: Answer) -> GlusterBackend:
        return GlusterBackend(Server({}, **{FIND: said}))

    server = PoolSource(hosts=[SourceHost(name="server", port=24007)])
    found = await asked(Answer(VOLUMES)).find_sources(server)
    assert [(each.name, each.dir.path, each.hosts[0].name) for each in found] == [
        ("images", "/", "server"), ("v", "/", "server"),
    ]  # fmt: skip
    for said in (Answer("", 1, "Connection failed"), Answer("<no"), Answer("<cliOutput/>")):
        with pytest.raises(OperationFailed, match="no storage pools were found on host 'server'"):
            await asked(said).find_sources(server)
    with pytest.raises(InvalidArg):
        await asked(Answer(VOLUMES)).find_sources(None)
    two = PoolSource(hosts=[SourceHost(name="a"), SourceHost(name="b")])
    for spec in (PoolSource(), two):
        with pytest.raises(ConfigUnsupported):
            await asked(Answer(VOLUMES)).find_sources(spec)


def test_little_of_a_raw_file_is_kept() -> None:
    disc = bytes(32769) + b"CD001" + bytes(30000)
    short = gluster_files.shortened(disc)
    assert (len(short), short[32769:32774]) == (32784, b"CD001")
    assert gluster_files.shortened(b"x" * 65536)[1024:32768] == bytes(31744)
    assert gluster_files.shortened(qcow2()) == qcow2()
    assert gluster_files.shortened(b"abc") == b"abc"


@pytest.mark.processes
async def test_the_program_answers_in_json() -> None:
    """A server that is away, by the program itself: where the library is not installed, too."""
    asked = {"host": "127.0.0.1", "port": 1, "volume": "v", "directory": "/", "do": "measure"}
    done = await process.run(
        [sys.executable, "-I", "-S", gluster_files.__file__],
        input=json.dumps(asked | {"address": "gluster://127.0.0.1:1/v/"}).encode(), timeout=60,
    )  # fmt: skip
    code, words = json.loads(done.stdout)
    assert done.returncode == 1
    assert code > 0
    assert "gluster://127.0.0.1:1/v/" in words or "libgfapi" in words
