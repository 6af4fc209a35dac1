# SPDX-License-Identifier: Apache-2.0
"""Pools of kind rbd on a real Ceph: see ``rbd_steps.py``."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from functools import partial

import libvirt
from device_steps import DEVICE, URI, step
from rbd_steps import HOST, KEY, MIB, PART, document, image, images, rbd, shown, vary

SECRET = "cccccccc-2222-3333-4444-555555555555"


def told(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """All that is asked of a pool."""
    for name, call in (
        ("active", pool.isActive), ("persistent", pool.isPersistent),
        ("autostart", pool.autostart), ("info", lambda: pool.info()[:1]),
        ("volumes", pool.numOfVolumes), ("names", lambda: sorted(pool.listVolumes())),
        ("all", lambda: sorted(each.name() for each in pool.listAllVolumes())),
        ("pools", lambda: sorted(conn.listStoragePools())),
        ("defined", lambda: sorted(conn.listDefinedStoragePools())),
        ("by path", lambda: conn.storagePoolLookupByTargetPath("one")),
    ):  # fmt: skip
        step(name, call)
    vary("xml", partial(shown, pool), (0, 1, 2))
    vary("all", lambda flags: len(pool.listAllVolumes(flags)), (1,))
    for bit in range(20):
        step(f"filter {bit}", lambda bit=bit: len(conn.listAllStoragePools(1 << bit)))


def life(conn: libvirt.virConnect) -> None:
    """Each call about a pool, in each state."""
    rbd("create", "--size", "8M", "one/there")
    pool = step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    told(conn, pool)
    step("make, stopped", lambda: pool.createXML(image(), 0))
    step("stop, stopped", pool.destroy)
    vary("refresh, stopped", pool.refresh, (0, 1))
    vary("autostart", pool.setAutostart, (1, 0, 1))
    vary("build", pool.build, (0, 1, 2, 4, 8, 12, 16))
    vary("start", pool.create, (8, 16, 6, 2))
    told(conn, pool)
    vary("start, started", pool.create, (0, 1))
    vary("build, started", pool.build, (0, 4, 16))
    vary("delete, started", pool.delete, (0, 1, 2))
    step("undefine, started", pool.undefine)
    rbd("create", "--size", "8M", "one/later")
    step("before", lambda: sorted(pool.listVolumes()))
    vary("refresh", pool.refresh, (0, 1))
    step("after", lambda: sorted(pool.listVolumes()))
    volume = pool.storageVolLookupByName("later")
    rbd("rm", "one/later")
    step("info, gone", volume.info)
    step("xml, gone", lambda: shown(volume))
    step("resize, gone", lambda: volume.resize(9 * MIB))
    step("wipe, gone", volume.wipe)
    step("delete, gone", volume.delete)
    step("names", lambda: sorted(pool.listVolumes()))
    step("refresh", pool.refresh)
    step("names", lambda: sorted(pool.listVolumes()))
    step("redefine", lambda: conn.storagePoolDefineXML(document(source=f"{HOST}<name>two</name>")))
    vary("xml", partial(shown, pool), (0, 1))
    step("stop", pool.destroy)
    step("xml", lambda: shown(pool))
    vary("delete", pool.delete, (0, 1, 2))
    for flags in (4, 1, 2):
        step(f"start {flags}", lambda flags=flags: pool.create(flags))
        step("stop", lambda: pool.isActive() and pool.destroy())
    step("undefine", pool.undefine)
    step("of nothing", lambda: pool.create(0))
    step("transient", lambda: conn.storagePoolCreateXML(document(), 0))
    pool = conn.storagePoolLookupByName("pool")
    step("autostart", lambda: pool.setAutostart(1))
    step("undefine", pool.undefine)
    step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    step("persistent", pool.isPersistent)
    step("stop", pool.destroy)
    step("undefine", pool.undefine)
    rbd("rm", "one/there")


def pools() -> Iterator[tuple[str, str]]:
    """Documents of pools, odd ones among them."""
    space = " xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
    options = "<rbd:config_opts>{}</rbd:config_opts>"
    option = "<rbd:option name='{}' value='{}'/>"
    name = "<name>one</name>"
    yield "plain", document()
    yield "no port", document(source=f"<host name='127.0.0.1'/>{name}")
    yield "two hosts", document(source=f"{HOST}<host name='127.0.0.1' port='6789'/>{name}")
    yield "one of two", document(source=f"<host name='127.0.0.1' port='1'/>{HOST}{name}")
    yield "other host", document(source=f"<host name='127.0.0.1' port='3300'/>{name}")
    yield "no pool", document(source=f"{HOST}<name>none</name>")
    yield "name of a path", document(source=f"{HOST}<name>one/x</name>")
    yield "name of blanks", document(source=f"{HOST}<name> one </name>")
    yield "dir", document(source=f"{HOST}<dir path='/x'/>{name}")
    yield "device", document(source=f"{HOST}<device path='/x'/>{name}")
    yield "format", document(source=f"{HOST}<format type='raw'/>{name}")
    yield "target", document(more="<target><path>/x</path></target>")
    yield "target of a rbd", document(more="<target><path>one</path></target>")
    for one in (("client_mount_timeout", "45"), ("rbd_default_format", "2"),
                ("rbd_default_features", "1"), ("rados_mon_op_timeout", "x"), ("none", "1"),
                ("mon_host", "127.0.0.1:6789"), ("rbd default order", "20"),
                ("rbd-default-order", "21"), ("", "1"), ("rbd_cache", "")):  # fmt: skip
        text = options.format(option.format(*one))
        yield f"option {one}", document(more=text, space=space)
    yield "no options", document(more=options.format(""), space=space)
    yield "no value", document(more=options.format("<rbd:option name='rbd_cache'/>"), space=space)
    yield "no name", document(more=options.format("<rbd:option value='1'/>"), space=space)
    yield "other space", document(more=options.format(""), space=space.replace("1.0", "2.0"))
    odd = options.format("<rbd:odd/>")
    yield "odd in options", document(more=odd, space=space)
    for user in (None, "", "admin", "nobody"):
        told = "" if user is None else f" username='{user}'"
        auth = f"<auth type='ceph'{told}><secret usage='none'/></auth>"
        yield f"no secret of {user}", document(source=f"{HOST}{name}{auth}")
    yield "auth, no secret", document(source=f"{HOST}{name}<auth type='ceph' username='a'/>")
    yield (
        "chap",
        document(source=f"{HOST}{name}<auth type='chap' username='a'><secret usage='n'/></auth>"),
    )


def documents(conn: libvirt.virConnect) -> None:
    """What pools of those documents are like."""
    for name, text in pools():
        for flags in (0, 1):
            one_of(conn, f"{name} {flags}", text, flags)
    for name, text in pools():
        pool = step(f"{name}: create", partial(conn.storagePoolCreateXML, text, 0))
        if pool is not None:
            pool.destroy()
    for spec in (None, "", "<source/>", f"<source>{HOST}</source>"):
        step(f"sources {spec}", partial(conn.findStoragePoolSources, "rbd", spec, 0))


def one_of(conn: libvirt.virConnect, name: str, text: str, flags: int) -> None:
    """A pool of a document, with an image."""
    pool = step(f"{name}: define", lambda: conn.storagePoolDefineXML(text, flags))
    if pool is None:
        return
    step(f"{name}: xml", partial(shown, pool))
    if not flags:
        step(f"{name}: start", lambda: pool.create(0))
        volume = step(f"{name}: make", lambda: pool.createXML(image()))
        if volume is not None:
            step(f"{name}: image", partial(shown, volume))
            step(
                f"{name}: objects",
                lambda: json.loads(rbd("info", "one/v", "--format", "json"))["order"],
            )
            step(f"{name}: remove", volume.delete)
        step(f"{name}: stop", pool.destroy)
    pool.undefine()


def login(conn: libvirt.virConnect, user: str = "admin", secret: str = "usage='ceph'",
          kind: str = "type='ceph' ") -> libvirt.virStoragePool:  # fmt: skip
    """A pool that a user logs in to."""
    auth = f"<auth {kind}username='{user}'><secret {secret}/></auth>"
    return conn.storagePoolCreateXML(document(source=f"{HOST}<name>one</name>{auth}"), 0)


def work(pool: libvirt.virStoragePool) -> None:
    """All that is done to images, where one is there."""
    rbd("create", "--size", "4M", "one/there")
    step("xml", partial(shown, pool))
    step("refresh", pool.refresh)
    step("make", lambda: shown(pool.createXML(image())))
    volume = step("there", lambda: pool.storageVolLookupByName("there"))
    if volume is not None:
        step("resize", lambda: volume.resize(9 * MIB))
        step("wipe", volume.wipe)
        step("copy", lambda: shown(pool.createXMLFrom(image("c"), volume)))
        step("delete", volume.delete)
    step("refresh", pool.refresh)
    for name in sorted(pool.listVolumes()):
        step(f"delete {name}", lambda name=name: pool.storageVolLookupByName(name).delete(2))
    step("names", lambda: sorted(pool.listVolumes()))
    step("images", images)
    rbd("rm", "one/c")
    rbd("snap", "purge", "one/there")
    rbd("rm", "one/there")
    step("stop", pool.destroy)


def locked(conn: libvirt.virConnect) -> None:
    """Users and their keys."""
    step("no secret", partial(login, conn))
    usage = "<usage type='ceph'><name>ceph</name></usage>"
    secret = conn.secretDefineXML(f"<secret><uuid>{SECRET}</uuid>{usage}</secret>")
    step("no value", partial(login, conn))
    right = base64.b64decode(KEY)
    for value in (b"x", right[:-1], right):
        secret.setValue(value)
        pool = step(f"value of {len(value)}", partial(login, conn))
        if pool is not None:
            work(pool)
    for name, how in (
        ("by uuid", {"secret": f"uuid='{SECRET}'"}), ("other user", {"user": "reader"}),
        ("unknown user", {"user": "none"}), ("no type", {"kind": ""}),
        ("other type", {"kind": "type='chap' "}), ("odd type", {"kind": "type='odd' "}),
    ):  # fmt: skip
        pool = step(name, lambda how=how: login(conn, **how))
        if pool is not None:
            pool.destroy()
    ring = DEVICE.replace("ceph.conf", "keyring")
    for user in ("reader", "nobody"):
        words = ["ceph-authtool", "-p", "-n", f"client.{user}", ring]
        secret.setValue(base64.b64decode(subprocess.check_output(words)))
        pool = step(f"as {user}", partial(login, conn, user))
        if pool is not None:
            work(pool)
    secret.undefine()
    step("secret gone", partial(login, conn))


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(URI)
    {"life": life, "documents": documents, "locked": locked}[PART](conn)


main()
