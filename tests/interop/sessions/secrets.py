# SPDX-License-Identifier: Apache-2.0
"""A session about secrets, by libvirt's binding: ``/usr/bin/python3 secrets.py URI``.

Each step prints a line of JSON: its name, and its value or the code, domain and first number of
its error. Messages are left out: where parsers speak they have words of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import libvirt

FIRST = "11111111-2222-3333-4444-555555555555"
SECOND = "99999999-2222-3333-4444-555555555555"
NOBODY = "00000000-0000-0000-0000-000000000001"
VOLUME = "<usage type='volume'><volume>/v</volume></usage>"
CEPH = "<usage type='ceph'><name>n</name></usage>"
USAGES = (
    "", "<usage type='none'/>", "<usage type='volume'/>", "<usage/>", "<usage type='ceph'/>",
    "<usage type='iscsi'/>", "<usage type='bogus'><name>z</name></usage>",
    "<usage type='iscsi'><target>t</target></usage>", "<usage type='tls'><name>z</name></usage>",
    "<usage type='vtpm'><name>z</name></usage>",
)  # fmt: skip


def document(
    uuid: str | None, usage: str, *, eph: str = "no", priv: str = "no", desc: str = "d"
) -> str:
    """A secret's document."""
    named = f"<uuid>{uuid}</uuid>" if uuid else ""
    inner = f"{named}<description>{desc}</description>{usage}"
    return f"<secret ephemeral='{eph}' private='{priv}'>{inner}</secret>"


def step(name: str, action: Callable[[], Any]) -> None:
    """Takes a step and tells what came of it."""
    try:
        value = action()
    except libvirt.libvirtError as error:
        found = [error.get_error_code(), error.get_error_domain(), error.get_int1()]
        value = {"error": found}
    if isinstance(value, libvirt.virSecret):
        value = ["secret", value.usageType(), value.usageID()]
    elif isinstance(value, bytes):
        value = value.decode("latin1")
    print(json.dumps([name, value]))


def documents(conn: libvirt.virConnect) -> None:
    """Definitions, good and bad ones."""
    define = conn.secretDefineXML
    step("define", lambda: define(document(FIRST, VOLUME)))
    step("again", lambda: define(document(FIRST, VOLUME, desc="e")))
    step("other use", lambda: define(document(FIRST, CEPH)))
    step("other uuid", lambda: define(document(SECOND, VOLUME)))
    step("no uuid", lambda: define(document(None, VOLUME)))
    step("unknown flag", lambda: define(document(FIRST, VOLUME), 2))
    for usage in USAGES:
        step(f"usage {usage}", lambda usage=usage: define(document(None, usage)).XMLDesc()[:30])
    for name, text in {
        "nothing": "", "cut off": "<secret", "another root": "<foo/>",
        "uuid": document("zz", VOLUME), "ephemeral": document(None, CEPH, eph="maybe"),
        "private": document(None, CEPH, priv="maybe"), "empty": "<secret/>",
    }.items():  # fmt: skip
        step(f"document {name}", lambda text=text: define(text))
    step("validate", lambda: define("<secret><nosuch/></secret>", 1))


def values(conn: libvirt.virConnect) -> None:
    """Values, and who may see them."""
    secret = conn.secretLookupByUUIDString(FIRST)
    step("xml", secret.XMLDesc)
    step("xml flags", lambda: secret.XMLDesc(1))
    step("no value", secret.value)
    step("set", lambda: secret.setValue(b"abc\0def"))
    step("value", secret.value)
    step("value flags", lambda: secret.value(1))
    step("set flags", lambda: secret.setValue(b"x", 1))
    step("set nothing", lambda: secret.setValue(b""))
    step("value again", secret.value)
    step("to private", lambda: conn.secretDefineXML(document(FIRST, VOLUME, priv="yes")))
    step("private value", secret.value)
    step("back", lambda: conn.secretDefineXML(document(FIRST, VOLUME)))
    other = document(SECOND, CEPH, eph="yes", priv="no")
    step("ephemeral", lambda: conn.secretDefineXML(other).setValue(b"q"))
    step("ephemeral value", conn.secretLookupByUUIDString(SECOND).value)


def looks(conn: libvirt.virConnect) -> None:
    """Lists and look-ups."""
    step("count", conn.numOfSecrets)
    for flags in (0, 1, 2, 3, 4, 5, 8, 12, 16):
        step(f"list {flags}", lambda flags=flags: len(conn.listAllSecrets(flags)))
    step("uuids", lambda: {FIRST, SECOND} <= set(conn.listSecrets()))
    step("by uuid", lambda: conn.secretLookupByUUIDString(NOBODY))
    for kind, what in ((1, "/v"), (1, "/nope"), (2, "n"), (99, "/v"), (0, "/v"), (0, "")):
        step(f"by usage {kind} {what}", lambda k=kind, w=what: conn.secretLookupByUsage(k, w))


def events(conn: libvirt.virConnect) -> None:
    """What subscribers hear, and what is left at the end."""
    heard: list[Any] = []
    secret = conn.secretLookupByUUIDString(FIRST)
    conn.secretEventRegisterAny(
        secret, 0, lambda _conn, one, event, detail, _: heard.append([event, detail]), None
    )
    number = conn.secretEventRegisterAny(
        None, 1, lambda _conn, one, _: heard.append(one.UUIDString()), None
    )
    secret.setValue(b"k")
    conn.secretDefineXML(document(FIRST, VOLUME, priv="yes"))
    step("undefine", secret.undefine)
    deadline = [False]
    libvirt.virEventAddTimeout(10_000, lambda *_: deadline.__setitem__(0, True), None)
    while len(heard) < 3 and not deadline[0]:
        libvirt.virEventRunDefaultImpl()
    step("heard", lambda: heard)
    conn.secretEventDeregisterAny(number)
    for name, action in {
        "undefine": secret.undefine, "value": secret.value, "xml": secret.XMLDesc,
    }.items():  # fmt: skip
        step(f"gone: {name}", action)


def main(uri: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(uri)
    for part in (documents, values, looks, events):
        part(conn)
    conn.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
