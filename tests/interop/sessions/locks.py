# SPDX-License-Identifier: Apache-2.0
"""A session about leases, by libvirt's binding: ``/usr/bin/python3 locks.py URI DIRECTORY``.

The lock space of files is ``DIRECTORY/space``. Each step prints a line of JSON: its name, what came
of it or the code, domain and message of its error, the locks that are held then, and the events of
life cycles since the last one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

DIRECTORY = Path(sys.argv[2])
SPACE = DIRECTORY / "space"
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>{action}
<devices><controller type='scsi' model='virtio-scsi'/>{devices}<memballoon model='none'/></devices>
</domain>"""
DISK = """<disk type='file' device='{device}'><driver name='qemu' type='raw'/>
<source file='{path}'/><target dev='{target}' bus='scsi'/>{more}</disk>"""
LEASE = """<lease><lockspace>{space}</lockspace><key>{key}</key>
<target path='{path}' offset='{offset}'/></lease>"""

events: list[list[Any]] = []


def image(name: str) -> str:
    path = DIRECTORY / name
    if not path.exists():
        with path.open("w") as file:
            file.truncate(1 << 20)
    return str(path)


def disk(name: str, target: str, more: str = "", device: str = "disk") -> str:
    return DISK.format(device=device, path=image(name), target=target, more=more)


def lease(key: str, offset: int = 0, space: str = "space") -> str:
    return LEASE.format(space=space, key=key, path=DIRECTORY, offset=offset)


def guest(name: str, *devices: str, action: str = "") -> str:
    return GUEST.format(name=name, devices="".join(devices), action=action)


def file_of(name: str) -> Path:
    """What is locked for an image, or by a key."""
    hashed = SPACE / hashlib.sha256(str(DIRECTORY / name).encode()).hexdigest()
    return hashed if not name.startswith("key") else SPACE / name


def locks() -> str:
    """What is locked: a letter for each, a capital where it is not shared."""
    found, lines = "", Path("/proc/locks").read_text().splitlines()
    for name in ("a", "b", "c", "d", "copy", "snap", "snap2", "key"):
        path = file_of(name)
        if not path.exists():
            continue
        for words in map(str.split, lines):
            held = words[-2:] == ["0", "0"] and words[-3].endswith(f":{path.stat().st_ino}")
            if held and "->" not in words:
                found += name.upper() if "WRITE" in words else name
                found += " "
    return found.strip()


@contextmanager
def held(name: str) -> Iterator[None]:
    """Another process has it, of another host as it were."""
    path = file_of(name)
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'a+')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX, 1, 0); print(flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.communicate(b"\n")


def step(name: str, call: Callable[..., Any], *arguments: Any) -> Any:
    result = None
    try:
        result = call(*arguments)
        told: Any = result if isinstance(result, (int, list)) else "done"
    except libvirt.libvirtError as error:
        message = error.get_error_message() if error.get_error_code() == 87 else ""
        told = [error.get_error_code(), error.get_error_domain(), message]
    time.sleep(0.1)
    print(json.dumps([name, told, locks(), events]), flush=True)
    events.clear()
    return result


def start(connection: Any) -> Any:
    for action in ("", "poweroff", "restart", "pause", "ignore"):
        text = f"<on_lockfailure>{action}</on_lockfailure>" if action else ""
        with held("a"):
            document = guest("one", disk("a", "sda"), action=text)
            step(f"start, {action}", connection.createXML, document, 0)
    with held("a"):
        domain = step("paused", connection.createXML, guest("one", disk("a", "sda")), 1)
        step("resume, held", domain.resume)
        step("state", domain.state)
    step("resume", domain.resume)
    step("suspend", domain.suspend)
    with held("a"):
        step("resume, held", domain.resume)
    step("resume", domain.resume)
    return domain


def plug(domain: Any) -> None:
    with held("b"):
        step("attach, held", domain.attachDevice, disk("b", "sdb"))
    step("attach", domain.attachDevice, disk("b", "sdb"))
    step("attach, shared", domain.attachDevice, disk("c", "sdc", "<shareable/>"))
    step("attach, read-only", domain.attachDevice, disk("d", "sdd", "<readonly/>"))
    step("suspend", domain.suspend)
    step("resume", domain.resume)
    (SPACE / "key").touch()
    step("a lease of no space", domain.attachDevice, lease("key", space="other"))
    step("a lease without a file", domain.attachDevice, lease("key2"))
    with held("key"):
        step("a lease, held", domain.attachDevice, lease("key"))
    step("a lease", domain.attachDevice, lease("key"))
    step("a lease is taken", domain.detachDevice, lease("key"))


def copy(domain: Any) -> None:
    target = f"<disk type='file'><source file='{DIRECTORY}/copy'/><driver type='raw'/></disk>"
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    for end, name in ((0, "abort"), (libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT, "pivot")):
        (DIRECTORY / "copy").unlink(missing_ok=True)
        step("copy", domain.blockCopy, "sda", target, {}, flags)
        deadline = time.monotonic() + 20
        while "ready='yes'" not in domain.XMLDesc() and time.monotonic() < deadline:
            time.sleep(0.02)
        step(name, domain.blockJobAbort, "sda", end)


def chain(domain: Any) -> None:
    """The image that is written to is leased, whichever that is."""

    def taken(name: str) -> None:
        (DIRECTORY / name).unlink(missing_ok=True)
        snapshot = (
            f"<domainsnapshot><disks><disk name='sda'><source file='{DIRECTORY}/{name}'/></disk>"
            "</disks></domainsnapshot>"
        )
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        no_metadata = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        step(f"snapshot {name}", domain.snapshotCreateXML, snapshot, flags | no_metadata)

    with held("snap"):
        taken("snap")
    taken("snap")
    with held("a"):
        step("below another's", domain.state)
    domain.suspend()
    taken("snap2")
    step("resume", domain.resume)
    merged = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    with held("snap"):
        step("commit into what another has", domain.blockCommit, "sda", f"{DIRECTORY}/snap", None,
             0, merged)  # fmt: skip
    # libvirt 9 keeps the lease of a commit that was given up, and then refuses the next one.
    step("commit", domain.blockCommit, "sda", f"{DIRECTORY}/snap", None, 0, merged)
    deadline = time.monotonic() + 20
    while "ready='yes'" not in domain.XMLDesc() and time.monotonic() < deadline:
        time.sleep(0.02)
    step("pivot", domain.blockJobAbort, "sda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    step("rebase", domain.blockRebase, "sda", None, 0, 0)
    deadline = time.monotonic() + 20
    while domain.blockJobInfo("sda") and time.monotonic() < deadline:
        time.sleep(0.02)
    step("alone", domain.state)


def save(connection: Any, domain: Any) -> None:
    """The state of a guest is kept without its leases."""
    state = str(DIRECTORY / "state")
    step("reset", domain.reset)
    step("save", domain.save, state)
    with held("snap"):
        step("restore, held", connection.restore, state)
    for flags in (0, libvirt.VIR_DOMAIN_SAVE_PAUSED):
        step(f"restore {flags}", connection.restoreFlags, state, None, flags)
        domain = connection.lookupByName("one")
        step("resume", domain.resume)
        step("save", domain.save, state)
    step("restore", connection.restore, state)
    domain = connection.lookupByName("one")
    step("dump", domain.coreDump, str(DIRECTORY / "dump"), libvirt.VIR_DUMP_LIVE)
    step("dump, crash", domain.coreDump, str(DIRECTORY / "dump"), libvirt.VIR_DUMP_CRASH)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(sys.argv[1])

    def loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()

    def note(_: Any, domain: Any, event: int, detail: int, __: Any) -> None:
        events.append([domain.name(), event, detail])

    connection.domainEventRegisterAny(None, 0, note, None)
    SPACE.mkdir(exist_ok=True)
    domain = start(connection)
    chain(domain)
    save(connection, domain)
    domain = step("once more", connection.createXML, guest("one", disk("a", "sda")), 0)
    plug(domain)
    copy(domain)
    step("destroy", domain.destroy)
    step("an offset", connection.createXML, guest("one", lease("key", 512)), 0)
    # libvirt 9 answers no more when another guest is started after one that shares a file.
    devices = [disk("a", "sda", "<shareable/>"), lease("key")]
    domain = step("shared, and a lease", connection.createXML, guest("one", *devices), 0)
    step("it ends", domain.destroy)
    os._exit(0)  # the loop of events waits


if __name__ == "__main__":
    main()
