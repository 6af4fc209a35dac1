# SPDX-License-Identifier: Apache-2.0
"""Ceph pools: what is run, and what is made of what rbd(8) and our program say.

A cluster of Ceph 16 in a test guest has said the same.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.storage_host import Dialogue, Exchange
from virloom.drivers.storage import rbd_images
from virloom.drivers.storage.backends.rbd import RbdBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.qemu_img import ENDING_WITH_US
from virloom.drivers.storage.volumes import parse_volume
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, NoSupport, SystemFailure
from virloom.host.process import Completed
from virloom.model.storage import Pool, Volume
from virloom.procedures.secret import NonnullSecret, SecretGetValueRet, SecretLookupByUUIDRet
from virloom.xml import format_document

NOWHERE = Path("/nowhere")
KEY = b"\x01\x02secret"
AUTH = "<auth type='ceph' username='admin'><secret uuid='{}'/></auth>".format("1" * 32)
TIMEOUTS = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
LIMITS = " ".join(f"--{name.replace('_', '-')} 30" for name in TIMEOUTS)
OPEN = f" --conf /dev/null --mon-host a:6789,b --auth-client-required none {LIMITS}"
PROGRAM = f"{' '.join(ENDING_WITH_US)} {sys.executable} -I -S {rbd_images.__file__}"
SIZES = [1024000, 921600, 19000]
ONE = ["one", 1 << 20, 4 << 20]


def pool(auth: str = "", more: str = "") -> Pool:
    source = f"<host name='a' port='6789'/><host name='b'/><name>p</name>{auth}"
    space = "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
    return parse_pool(
        f"<pool type='rbd' {space}><name>r</name><source>{source}</source>{more}</pool>"
    )


class Cluster(Dialogue):
    """A dialogue with rbd(8), and with our program, which answers what a test says.

    Attributes:
        read: What our program has read.
    """

    def __init__(self, said: Sequence[Exchange], answers: Mapping[str, Any] | None = None) -> None:
        super().__init__(NOWHERE, said)
        self.answers = answers or {}
        self.read: list[dict[str, Any]] = []

    async def run(self, words: Sequence[str], **how: Any) -> Completed:
        if " ".join(words) != PROGRAM:
            return await super().run(words, **how)
        asked = json.loads(how["input"])
        self.read.append(asked)
        answer = self.answers[asked["do"]]
        if isinstance(answer, str):
            return Completed(words, 1, b"", answer.encode())
        failed = answer is not None and isinstance(answer[-1], str)
        return Completed(words, int(failed), json.dumps(answer).encode(), b"")


def backend(*exchanges: Exchange, **answers: Any) -> RbdBackend:
    said: list[Exchange] = [(f"{words}{OPEN}", *answer) for words, *answer in exchanges]  # type: ignore[misc]
    return RbdBackend(Cluster(said, answers))


def read(rbd: RbdBackend) -> list[dict[str, Any]]:
    assert isinstance(rbd.host, Cluster)
    return rbd.host.read


def image(name: str, more: str = "") -> Volume:
    return parse_volume(
        pool(), f"<volume><name>{name}</name><capacity>3145728</capacity>{more}</volume>"
    )


async def test_what_there_is() -> None:
    model = pool()
    rbd = backend(measure=SIZES, list=[ONE, ["two", 5 << 20, 8 << 20]])
    volumes = await rbd.look(model)
    found = {name: (each.capacity.value, each.allocation.value) for name, each in volumes.items()}
    assert found == {"one": (1 << 20, 4 << 20), "two": (5 << 20, 8 << 20)}
    sizes = (model.capacity.value, model.available.value, model.allocation.value)
    assert sizes == (1024000, 921600, 19000)
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
        stat=["new", 3 << 20, 4 << 20],
    )
    new = await rbd.make(pool(), image("new"), metadata=False)
    assert (new.capacity.value, new.allocation.value) == (3 << 20, 4 << 20)
    await rbd.resize(pool(), new, 4 << 20, allocate=False, shrink=False)
    await rbd.resize(pool(), new, 1 << 20, allocate=False, shrink=True)
    new.capacity.value = 1 << 20
    await rbd.make(pool(), image("copy"), metadata=False, origin=new)
    await rbd.remove(pool(), new, 2)
    with pytest.raises(InvalidArg):
        await rbd.remove(pool(), new, 4)


async def test_an_image_is_wiped() -> None:
    rbd = backend(clear=None, discard=None)
    for algorithm in (0, 9):
        rbd.check_wipe(Volume(name="one"), algorithm)
        await rbd.wipe(pool(), Volume(name="one"), algorithm)
    assert [(asked["do"], asked["image"]) for asked in read(rbd)] == [
        ("clear", "one"), ("discard", "one"),
    ]  # fmt: skip
    for algorithm in range(1, 9):
        with pytest.raises(InvalidArg):
            rbd.check_wipe(Volume(name="one"), algorithm)


async def test_what_is_refused() -> None:
    qcow2 = image("new", "<target><format type='qcow2'/></target>")
    with pytest.raises(ConfigUnsupported):
        await backend().make(pool(), qcow2, metadata=False)
    for how in ({"metadata": True}, {"metadata": False, "reflink": True}):
        with pytest.raises(InvalidArg):
            await backend().make(pool(), image("new"), **how)
    with pytest.raises(InvalidArg):
        await backend().resize(pool(), image("new"), 1 << 30, allocate=True, shrink=False)
    elsewhere = Volume(name="x", key="/images/x")
    with pytest.raises(ConfigUnsupported):
        await backend().make(pool(), image("new"), metadata=False, origin=elsewhere)
    with pytest.raises(NoSupport):
        await backend().delete(pool(), 0)
    with pytest.raises(SystemFailure, match="no such pool"):
        await backend(measure=[2, "no such pool"]).look(pool())
    with pytest.raises(SystemFailure, match="gone: No such file"):
        await backend(stat=[2, "gone"]).fresh(pool(), Volume(name="x"))
    with pytest.raises(InternalError, match="option: odd"):
        await backend(measure=[0, "failed to set RADOS option: odd"]).look(pool())
    with pytest.raises(InternalError, match="a traceback"):
        await backend(measure="a traceback").look(pool())
    busy = ("rbd rm --no-progress --pool p --image one", 16, "image has watchers")
    with pytest.raises(SystemFailure, match="watchers"):
        await backend(busy).remove(pool(), Volume(name="one"), 0)


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


class Reader(Cluster):
    """Takes the key from the descriptor."""

    async def run(self, words: Sequence[str], **how: Any) -> Completed:
        assert base64.b64encode(KEY).decode() not in " ".join(words)
        if "--keyfile" in words:
            place = words.index("--keyfile")
            (descriptor,) = how["pass_fds"]
            assert words[place + 1] == f"/proc/self/fd/{descriptor}"
            assert base64.b64decode(os.read(descriptor, 100)) == KEY
            words = [*words[:place], *words[place + 2 :]]
        return await super().run(words, **how)


async def test_a_secret_is_on_no_command_line() -> None:
    option = "<rbd:option name='client_mount_timeout' value='45'/>"
    model = pool(AUTH, f"<rbd:config_opts>{option}</rbd:config_opts>")
    known = "--id admin --auth-client-required cephx"
    base = f" --conf /dev/null --mon-host a:6789,b {known} {LIMITS} --client-mount-timeout 45"
    said = [("rbd rm --no-progress --pool p --image one" + base, "")]
    host = Reader(said, {"measure": SIZES})
    host.areas = Keeper()  # type: ignore[assignment]
    await RbdBackend(host).measure(model, {})
    assert model.allocation.value == 19000
    (asked,) = host.read
    assert (asked["id"], asked["pool"]) == ("admin", "p")
    assert asked["options"] == [
        ["auth_supported", "cephx"], ["key", base64.b64encode(KEY).decode()],
        ["mon_host", "a:6789,b"], *([name, "30"] for name in TIMEOUTS),
        ["client_mount_timeout", "45"],
    ]  # fmt: skip
    await RbdBackend(host).remove(model, Volume(name="one"), 0)
