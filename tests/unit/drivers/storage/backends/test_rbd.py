# SPDX-License-Identifier: Apache-2.0
"""Ceph pools: what our program is asked, and what is made of what it says.

``tests/interop/test_rbd.py`` has it ask a real cluster.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.storage_host import Dialogue
from virloom.drivers.storage import rbd_images
from virloom.drivers.storage.backends.rbd import RbdBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.qemu_img import ENDING_WITH_US
from virloom.drivers.storage.volumes import parse_volume
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoSupport,
    SystemFailure,
    XmlError,
    XmlInvalidSchema,
)
from virloom.host.process import Completed
from virloom.model.storage import Pool, Volume
from virloom.procedures.secret import NonnullSecret, SecretGetValueRet, SecretLookupByUUIDRet
from virloom.xml import format_document

NOWHERE = Path("/nowhere")
KEY = b"\x01\x02secret"
AUTH = "<auth type='ceph' username='admin'><secret uuid='{}'/></auth>".format("1" * 32)
TIMEOUTS = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
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
    """A dialogue with our program, which answers what a test says.

    Attributes:
        read: What our program has read.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(NOWHERE, [])
        self.answers = answers
        self.read: list[dict[str, Any]] = []

    async def run(self, words: Sequence[str], **how: Any) -> Completed:
        assert " ".join(words) == PROGRAM
        asked = json.loads(how["input"])
        self.read.append(asked)
        answer = self.answers[asked["do"]]
        if isinstance(answer, str):
            return Completed(words, 1, b"", answer.encode())
        failed = answer is not None and isinstance(answer[-1], str)
        return Completed(words, int(failed), json.dumps(answer).encode(), b"")


def backend(**answers: Any) -> RbdBackend:
    return RbdBackend(Cluster(answers))


def read(rbd: RbdBackend) -> list[dict[str, Any]]:
    assert isinstance(rbd.host, Cluster)
    return rbd.host.read


def image(name: str, more: str = "") -> Volume:
    return parse_volume(
        pool(), f"<volume><name>{name}</name><capacity>3145728</capacity>{more}</volume>"
    )


async def test_what_there_is() -> None:
    model = pool()
    rbd = backend(list=[SIZES, [ONE, ["two", 5 << 20, 8 << 20]]])
    volumes = await rbd.look(model)
    found = {name: (each.capacity.value, each.allocation.value) for name, each in volumes.items()}
    assert found == {"one": (1 << 20, 4 << 20), "two": (5 << 20, 8 << 20)}
    sizes = (model.capacity.value, model.available.value, model.allocation.value)
    assert sizes == (1024000, 921600, 19000)
    shown = format_document(volumes["two"])
    assert "<key>p/two</key>" in shown
    assert "<volume type='network'>" in shown


async def test_names_that_no_document_can_have_are_left_out() -> None:
    listed = [[name, 1 << 20, 4 << 20] for name in ("a/b", "-x", "a\nb", "\udcff", "ü")]
    volumes = await backend(list=[SIZES, listed]).look(pool())
    assert list(volumes) == ["a/b", "-x", "ü"]


async def test_an_image_comes_changes_and_goes() -> None:
    told = ["new", 3 << 20, 4 << 20]
    rbd = backend(create=told, resize=None, clone=told, remove=None)
    modes = "<target><permissions><mode>0640</mode></permissions></target>"
    new = await rbd.make(pool(), image("new", modes), metadata=False)
    assert (new.capacity.value, new.allocation.value) == (3 << 20, 4 << 20)
    assert new.target.permissions.mode == "0640", "until somebody looks again"
    await rbd.resize(pool(), new, 4 << 20, allocate=False, shrink=False)
    await rbd.make(pool(), image("copy"), metadata=False, origin=new)
    await rbd.remove(pool(), new, 2)
    await rbd.remove(pool(), new, 1)
    with pytest.raises(InvalidArg):
        await rbd.remove(pool(), new, 4)
    said = [{**asked, "options": None, "id": None, "pool": None} for asked in read(rbd)]
    nothing = {"options": None, "id": None, "pool": None}
    assert said == [
        {"do": "create", "image": "new", "size": 3 << 20, **nothing},
        {"do": "resize", "image": "new", "size": 4 << 20, **nothing},
        {"do": "clone", "image": "copy", "origin": "new", "size": 3 << 20, **nothing},
        {"do": "remove", "image": "new", "snapshots": True, **nothing},
        {"do": "remove", "image": "new", "snapshots": False, **nothing},
    ]


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
    for allocate, shrink in ((True, False), (False, True)):
        with pytest.raises(InvalidArg):
            await backend().resize(pool(), image("new"), 1 << 30, allocate=allocate, shrink=shrink)
    elsewhere = Volume(name="x", key="/images/x")
    with pytest.raises(ConfigUnsupported):
        await backend().make(pool(), image("new"), metadata=False, origin=elsewhere)
    with pytest.raises(NoSupport):
        await backend().delete(pool(), 0)
    with pytest.raises(SystemFailure, match="no such pool"):
        await backend(list=[2, "no such pool"]).look(pool())
    with pytest.raises(SystemFailure, match="gone: No such file"):
        await backend(stat=[2, "gone"]).fresh(pool(), Volume(name="x"))
    with pytest.raises(InternalError, match="option: odd"):
        await backend(list=[0, "failed to set RADOS option: odd"]).look(pool())
    with pytest.raises(InternalError, match="a traceback"):
        await backend(list="a traceback").look(pool())
    with pytest.raises(SystemFailure, match="watchers"):
        await backend(remove=[16, "it has watchers"]).remove(pool(), Volume(name="one"), 0)


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


async def test_a_secret_is_on_no_command_line() -> None:
    option = "<rbd:option name='client_mount_timeout' value='45'/>"
    model = pool(AUTH, f"<rbd:config_opts>{option}</rbd:config_opts>")
    host = Cluster({"list": [SIZES, []]})
    host.areas = Keeper()  # type: ignore[assignment]
    await RbdBackend(host).look(model)
    assert model.allocation.value == 19000
    (asked,) = host.read
    assert (asked["id"], asked["pool"]) == ("admin", "p")
    assert asked["options"] == [
        ["auth_supported", "cephx"], ["key", base64.b64encode(KEY).decode()],
        ["mon_host", "a:6789,b"], *([name, "30"] for name in TIMEOUTS),
        ["client_mount_timeout", "45"],
    ]  # fmt: skip


SPACE = "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/{}'"
OPTS = "<rbd:config_opts>{}</rbd:config_opts>"


def document(more: str, version: str = "1.0", source: str = "") -> str:
    inner = f"<source><host name='a'/><name>p</name>{source}</source>{more}"
    return f"<pool type='rbd' {SPACE.format(version)}><name>r</name>{inner}</pool>"


@pytest.mark.parametrize(
    "option", ["name='' value='1'", "value='1'", "name='a'", "name='a' value=''"]
)
def test_half_an_option_is_refused(option: str) -> None:
    with pytest.raises(XmlError, match="option"):
        parse_pool(document(OPTS.format(f"<rbd:option {option}/>")))


@pytest.mark.parametrize(
    ("more", "version"),
    [(OPTS.format(""), "1.0"), (OPTS.format("<rbd:odd/>"), "1.0"),
     (OPTS.format("<rbd:option name='a' value='1'/>"), "2.0")],
)  # fmt: skip
def test_what_are_no_options_is_forgotten(more: str, version: str) -> None:
    assert "rbd:" not in format_document(parse_pool(document(more, version)))


@pytest.mark.parametrize(
    ("more", "version", "source"),
    [(OPTS.format("<rbd:odd/>"), "1.0", ""), (OPTS.format("<rbd:option name='a'/>"), "1.0", ""),
     (OPTS.format(""), "2.0", ""), ("<target><path>/x</path></target>", "1.0", ""),
     ("", "1.0", "<dir path='/x'/>"), ("", "1.0", "<device path='/x'/>"),
     ("", "1.0", "<format type='raw'/>"), ("", "1.0", "<auth type='ceph' username='u'/>")],
)  # fmt: skip
def test_what_the_schema_has_not(more: str, version: str, source: str) -> None:
    with pytest.raises(XmlInvalidSchema):
        parse_pool(document(more, version, source), validate=True)
