# SPDX-License-Identifier: Apache-2.0
"""Ceph pools: what is run, and what is made of what rbd(8) and rados(8) print.

There was no cluster: the output is as Ceph 16 documents it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.storage_host import Dialogue, Exchange
from virloom.drivers.storage.backends.rbd import RbdBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.volumes import parse_volume
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, NoSupport
from virloom.host.process import Completed
from virloom.model.storage import Pool, Volume
from virloom.procedures.secret import NonnullSecret, SecretGetValueRet, SecretLookupByUUIDRet
from virloom.xml import format_document

NOWHERE = Path("/nowhere")
KEY = b"\x01\x02secret"
AUTH = "<auth type='ceph' username='admin'><secret uuid='{}'/></auth>".format("1" * 32)
LIMITS = "--client-mount-timeout 30 --rados-mon-op-timeout 30 --rados-osd-op-timeout 30"
OPEN = f" --conf /dev/null --mon-host a:6789,b --auth-client-required none {LIMITS}"
DF = """{"pools":[{"name":"other","size_bytes":"5"},{"name":"p","size_bytes":"19000"}],
"total_used":"100","total_avail":"900","total_space":"1000"}"""
LIST = """[{"image":"one","id":"1","size":1048576,"format":2},
{"image":"one","id":"1","snapshot":"s","snapshot_id":4,"size":524288,"format":2,"protected":"false"},
{"image":"two","id":"2","size":2097152,"format":2}]"""


def pool(auth: str = "", more: str = "") -> Pool:
    source = f"<host name='a' port='6789'/><host name='b'/><name>p</name>{auth}"
    space = "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
    return parse_pool(
        f"<pool type='rbd' {space}><name>r</name><source>{source}</source>{more}</pool>"
    )


def backend(*exchanges: Exchange) -> RbdBackend:
    said: list[Exchange] = [(f"{words}{OPEN}", *answer) for words, *answer in exchanges]  # type: ignore[misc]
    return RbdBackend(Dialogue(NOWHERE, said))


def image(name: str, more: str = "") -> Volume:
    return parse_volume(
        pool(), f"<volume><name>{name}</name><capacity>3145728</capacity>{more}</volume>"
    )


async def test_what_there_is() -> None:
    model = pool()
    rbd = backend(("rados df --format json", DF), ("rbd ls --pool p --long --format json", LIST))
    volumes = await rbd.look(model)
    assert {name: volume.capacity.value for name, volume in volumes.items()} == {
        "one": 1 << 20, "two": 2 << 20,
    }  # fmt: skip
    assert (model.capacity.value, model.available.value, model.allocation.value) == (
        1024000, 921600, 19000,
    )  # fmt: skip
    shown = format_document(volumes["two"])
    assert "<key>p/two</key>" in shown
    assert "<volume type='network'>" in shown


async def test_an_image_comes_changes_and_goes() -> None:
    rbd = backend(
        ("rbd create --size 3145728B --pool p --image new", ""),
        ("rbd resize --no-progress --size 4194304B --pool p --image new", ""),
        ("rbd resize --no-progress --allow-shrink --size 1048576B --pool p --image new", ""),
        ("rbd cp --no-progress p/new p/copy", ""),
        ("rbd resize --no-progress --size 3145728B --pool p --image copy", ""),
        ("rbd snap purge --no-progress --pool p --image new", ""),
        ("rbd rm --no-progress --pool p --image new", ""),
    )
    new = await rbd.make(pool(), image("new"), metadata=False)
    await rbd.resize(pool(), new, 4 << 20, allocate=False, shrink=False)
    await rbd.resize(pool(), new, 1 << 20, allocate=False, shrink=True)
    await rbd.make(pool(), image("copy"), metadata=False, origin=new)
    await rbd.remove(pool(), new, 2)
    with pytest.raises(InvalidArg):
        await rbd.remove(pool(), new, 4)


async def test_what_is_refused() -> None:
    qcow2 = image("new", "<target><format type='qcow2'/></target>")
    with pytest.raises(ConfigUnsupported):
        await backend().make(pool(), qcow2, metadata=False)
    elsewhere = Volume(name="x", key="/images/x")
    with pytest.raises(ConfigUnsupported):
        await backend().make(pool(), image("new"), metadata=False, origin=elsewhere)
    with pytest.raises(NoSupport):
        await backend().delete(pool(), 0)
    with pytest.raises(InternalError, match="no Ceph pool"):
        await backend(("rados df --format json", '{"pools":[]}')).look(pool())
    with pytest.raises(InternalError, match="has printed"):
        await backend(("rados df --format json", "odd")).look(pool())
    with pytest.raises(InternalError, match="timed out"):
        await backend(("rados df --format json", 1, "timed out")).look(pool())


class Keeper:
    """Keeps one secret."""

    @asynccontextmanager
    async def opened(self, area: str, *, trusted: bool) -> AsyncIterator[Keeper]:
        assert (area, trusted) == ("secret", True)
        yield self

    async def call(self, procedure: Any, args: Any) -> Any:
        if type(args).__name__ == "SecretGetValueArgs":
            return SecretGetValueRet(KEY)
        return SecretLookupByUUIDRet(NonnullSecret(args.uuid, 2, ""))


class Cluster(Dialogue):
    """Takes the key from the descriptor."""

    async def run(self, words: Sequence[str], **how: Any) -> Completed:
        place = words.index("--keyfile")
        (descriptor,) = how["pass_fds"]
        assert words[place + 1] == f"/proc/self/fd/{descriptor}"
        assert base64.b64decode(os.read(descriptor, 100)) == KEY
        return await super().run([*words[:place], *words[place + 2 :]], **how)


async def test_a_secret_is_on_no_command_line() -> None:
    option = "<rbd:option name='client_mount_timeout' value='45'/>"
    model = pool(AUTH, f"<rbd:config_opts>{option}</rbd:config_opts>")
    known = "--id admin --auth-client-required cephx"
    base = f" --conf /dev/null --mon-host a:6789,b {known} {LIMITS} --client-mount-timeout 45"
    host = Cluster(NOWHERE, [("rados df --format json" + base, DF)])
    host.areas = Keeper()  # type: ignore[assignment]
    await RbdBackend(host).measure(model, {})
    assert model.allocation.value == 19000
