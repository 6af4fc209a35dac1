# SPDX-License-Identifier: Apache-2.0
"""A program of the test guest: virtstoraged is killed at each step of work at pools and volumes.

``python -m tests.system.killed_pools PART DEVICE``: DEVICE is a disk for the parts ``groups``,
``deletions`` and ``volumes`` (LVM), what 127.0.0.1 exports for ``exports`` (NFS), and the name of
a target of 127.0.0.1 for ``targets`` (iSCSI). It prints each step that was right, and ends with an
error at one that was not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.interop.forked_daemon import ForkedVirtstoraged, import_all
from tests.interop.held_programs import Programs, killed_at, records, until

#: Seconds for a step in a guest that is emulated, on a busy machine.
PATIENCE = 240.0
NAMES = (
    "vgcreate", "vgremove", "pvremove", "vgchange", "lvcreate", "lvremove", "lvchange",
    "mount", "umount", "iscsiadm", "qemu-img",
)  # fmt: skip
MOMENTS = ("before", "after")
GROUP = "killed"


class Killed:
    """The daemon, and what is asked of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.programs = Programs(directory / "programs", NAMES)
        os.environ["PATH"] = f"{self.programs.directory}:{os.environ['PATH']}"
        self.daemon = ForkedVirtstoraged(directory / "root")
        self.daemon.root.mkdir()
        self.daemon.patience = PATIENCE
        self.daemon.start()
        self.run = self.daemon.virsh

    def at(self, program: str, moment: str, *words: str) -> None:
        """A kill while *program* waits; when this returns nothing of the work goes on."""
        killed_at(self.daemon, self.programs, program, moment, *words)
        self.rested()
        print(f"{words[0]}: killed {moment} {program}", flush=True)

    def again(self) -> None:
        """A kill while nothing is done."""
        self.daemon.signal(signal.SIGKILL)
        self.daemon.start()
        self.rested()

    def rested(self) -> None:
        """Returns when no program has a pool's claim, and what was begun is undone."""
        until(lambda: not any(map(_claimed, self.files("claim"))) and self.settled(), PATIENCE)

    def settled(self) -> bool:
        """Whether nothing is done to a pool, as far as records tell."""
        for path in self.files("json"):
            with contextlib.suppress(FileNotFoundError):
                found = json.loads(path.read_text())
                if found["phase"] != "active" or found["making"]:
                    return False
        return True

    def files(self, kind: str) -> list[Path]:
        """Records (``json``) or claims (``claim``) of pools."""
        return sorted((self.daemon.root / "run/libvirt/storage").glob(f"*.{kind}"))

    def active(self) -> list[str]:
        """The pools that are."""
        return self.run("pool-list", "--name").split()

    def volumes(self, pool: str) -> list[str]:
        """The names of its volumes."""
        lines = self.run("vol-list", pool).splitlines()[2:]
        return sorted(line.split()[0] for line in lines if line.strip())

    def nothing(self) -> None:
        """No pool is active, and nothing tells of one."""
        assert self.active() == []
        assert records(self.daemon) == []


def _claimed(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def said(*words: str) -> str:
    """What a program prints, however it ends."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def logical() -> dict[str, str]:
    """LVM's volumes, and the attributes of each."""
    words = ("lvs", "--noheadings", "--options", "lv_name,lv_attr", GROUP)
    return dict(line.split() for line in said(*words).splitlines())


def groups(killed: Killed, device: str) -> None:
    """Groups are made, activated and deactivated."""
    run = killed.run
    run("pool-define-as", "lg", "logical", "--source-dev", device, "--source-name", GROUP)
    for moment in MOMENTS:
        killed.at("vgcreate", moment, "pool-build", "lg")
        killed.nothing()
        # What a program has begun it goes on with: the group is there, all of it.
        refused = killed.daemon.try_virsh("pool-build", "lg")
        assert "already" in refused.stderr, refused.stderr
        run("pool-start", "lg")
        run("pool-destroy", "lg")
        run("pool-delete", "lg")
    run("pool-build", "lg")
    run("pool-start", "lg")
    run("vol-create-as", "lg", "one", "4M")
    run("pool-destroy", "lg")
    for moment in MOMENTS:
        killed.at("vgchange -aly", moment, "pool-start", "lg")
        killed.nothing()
        assert logical()["one"][4] == "-", "it is not active"
        run("pool-start", "lg")
        killed.again()
        assert killed.active() == ["lg"]
        assert killed.volumes("lg") == ["one"]
        assert logical()["one"][4] == "a"
        killed.at("vgchange -aln", moment, "pool-destroy", "lg")
        killed.nothing()
        assert logical()["one"][4] == "-"
    run("pool-delete", "lg")


def deletions(killed: Killed, device: str) -> None:
    """Groups are removed, with what is in them."""
    run = killed.run
    run("pool-define-as", "lg", "logical", "--source-dev", device, "--source-name", GROUP)
    run("pool-build", "lg")
    for program in ("vgremove", "pvremove"):
        for moment in MOMENTS:
            killed.at(program, moment, "pool-delete", "lg")
            killed.nothing()
            killed.daemon.try_virsh("pool-delete", "lg")  # the second half, where there is one
            assert (said("vgs", "--noheadings"), said("pvs", "--noheadings")) == ("", "")
            run("pool-build", "lg")
    run("pool-delete", "lg")


def volumes(killed: Killed, device: str) -> None:
    """Volumes of a group are made, filled, deleted, wiped."""
    run, home = killed.run, killed.directory
    (home / "images").mkdir()
    run("pool-create-as", "images", "dir", "--target", str(home / "images"))
    run("vol-create-as", "images", "origin", "4M", "--format", "qcow2")
    run("pool-define-as", "lg", "logical", "--source-dev", device, "--source-name", GROUP)
    run("pool-build", "lg")
    run("pool-start", "lg")
    run("vol-create-as", "lg", "kept", "4M")
    (home / "copy.xml").write_text("<volume><name>new</name><capacity>4194304</capacity></volume>")
    plain = ("vol-create-as", "lg", "new", "4M")
    copied = ("vol-create-from", "lg", str(home / "copy.xml"), "origin", "--inputpool", "images")
    laid = ("vol-create-as", "lg", "new", "4M", "--backing-vol", "/dev/killed/kept")
    sparse = ("vol-create-as", "lg", "new", "8M", "--allocation", "4M")
    for program, words in (
        ("lvcreate", plain), ("lvchange", plain), ("lvcreate", laid), ("lvcreate", sparse),
        ("lvcreate", copied), ("qemu-img convert", copied), ("lvchange", copied),
    ):  # fmt: skip
        for moment in MOMENTS:
            killed.at(program, moment, *words)
            _whole(killed, ["kept"])
    for moment in MOMENTS:
        run(*plain)
        killed.at("lvremove", moment, "vol-delete", "new", "lg")
        _whole(killed, ["kept"])
    _copied_by_itself(killed)
    _wiped(killed)
    run("pool-destroy", "lg")
    run("pool-delete", "lg")


def _whole(killed: Killed, names: list[str]) -> None:
    """Those volumes are there, for clients and for LVM, all of each."""
    until(lambda: killed.active() == ["images", "lg"], PATIENCE)
    assert killed.volumes("lg") == names, (logical(), killed.daemon.log())
    assert sorted(logical()) == names
    assert "virloom" not in said("lvs", "--noheadings", "--options", "lv_tags", GROUP)


def _copied_by_itself(killed: Killed) -> None:
    """A copy that the daemon makes itself, not a program."""
    run, home = killed.run, killed.directory
    run("vol-create-as", "lg", "large", "96M")
    text = "<volume><name>new</name><capacity>100663296</capacity></volume>"
    (home / "large.xml").write_text(text)
    words = ("vol-create-from", "lg", str(home / "large.xml"), "large", "--inputpool", "lg")
    _cut_short(killed, lambda: "new" in logical(), *words)
    _whole(killed, ["kept", "large"])


def _wiped(killed: Killed) -> None:
    """A wipe that was cut off keeps nobody from the volume."""
    words = ("vol-wipe", "large", "lg", "--algorithm", "pfitzner33")
    place = Path("/sys/block", Path("/dev/killed/large").resolve().name, "stat")

    def written() -> int:
        """Sectors, as the kernel counts them (``Documentation/block/stat.rst``)."""
        return int(place.read_text().split()[6])

    before = written()
    _cut_short(killed, lambda: written() > before, *words)
    _whole(killed, ["kept", "large"])
    killed.run("vol-wipe", "large", "lg")
    killed.run("vol-delete", "large", "lg")


def _cut_short(killed: Killed, begun: Callable[[], bool], *words: str) -> None:
    """A kill as soon as something is *begun*."""
    client = subprocess.Popen(["virsh", "-c", killed.daemon.uri(), *words])
    until(begun, PATIENCE)
    assert client.poll() is None, "it was too quick"
    killed.again()
    assert client.wait(PATIENCE) != 0
    print(f"{words[0]}: killed in the middle", flush=True)


def exports(killed: Killed, device: str) -> None:
    """A file system of NFS is mounted and unmounted; volumes in it."""
    run, place = killed.run, str(killed.directory / "place")
    run("pool-define-as", "nf", "netfs", "--source-host", "127.0.0.1", "--source-path", device,
        "--source-format", "nfs", "--target", place)  # fmt: skip
    run("pool-build", "nf")
    for moment in MOMENTS:
        killed.at("mount", moment, "pool-start", "nf")
        killed.nothing()
        assert not os.path.ismount(place)
        run("pool-start", "nf")
        killed.again()
        assert killed.active() == ["nf"]
        killed.at("umount", moment, "pool-destroy", "nf")
        killed.nothing()
        assert not os.path.ismount(place)
    run("pool-start", "nf")
    run("vol-create-as", "nf", "kept", "1M", "--format", "qcow2")
    (killed.directory / "copy.xml").write_text(
        "<volume><name>new</name><capacity>1048576</capacity>"
        "<target><format type='raw'/></target></volume>"
    )
    made = ("vol-create-as", "nf", "new", "1M", "--format", "qcow2")
    copied = (
        "vol-create-from",
        "nf",
        str(killed.directory / "copy.xml"),
        "kept",
        "--inputpool",
        "nf",
    )
    for program, words in (("qemu-img create", made), ("qemu-img convert", copied)):
        for moment in MOMENTS:
            killed.at(program, moment, *words)
            _files(killed, place, ["kept"])
    for moment in MOMENTS:
        killed.at("qemu-img resize", moment, "vol-resize", "kept", "2M", "nf")
        _files(killed, place, ["kept"])
        assert said("qemu-img", "check", f"{place}/kept").startswith("No errors")
        size = 1 if moment == "before" else 2  # qemu-img ends with the daemon
        assert f"virtual size: {size} MiB" in said("qemu-img", "info", f"{place}/kept")
        assert f"{size}.00 MiB" in run("vol-info", "kept", "nf")
        run("vol-delete", "kept", "nf")
        run("vol-create-as", "nf", "kept", "1M", "--format", "qcow2")
    run("vol-delete", "kept", "nf")
    run("pool-destroy", "nf")
    run("pool-delete", "nf")


def _files(killed: Killed, place: str, names: list[str]) -> None:
    """Those volumes are there, and no other files once the pool was looked at."""
    until(lambda: killed.active() == ["nf"], PATIENCE)
    assert killed.volumes("nf") == names
    killed.run("pool-refresh", "nf")
    assert sorted(os.listdir(place)) == names


def targets(killed: Killed, device: str) -> None:
    """A session with a target begins and ends."""
    run = killed.run
    run("pool-define-as", "is", "iscsi", "--source-host", "127.0.0.1", "--source-dev", device,
        "--target", "/dev/disk/by-path")  # fmt: skip
    for moment in MOMENTS:
        for step in ("--op new", "--login"):
            killed.at(f"iscsiadm .*{step}", moment, "pool-start", "is")
            killed.nothing()
            _no_session()
        run("pool-start", "is")
        names = killed.volumes("is")
        killed.again()
        assert killed.active() == ["is"]
        assert killed.volumes("is") == names
        for step in ("--logout", "--op delete"):
            killed.at(f"iscsiadm .*{step}", moment, "pool-destroy", "is")
            killed.nothing()
            _no_session()
            run("pool-start", "is")
        run("pool-destroy", "is")
        _no_session()


def _no_session() -> None:
    assert said("iscsiadm", "--mode", "session") == ""
    assert said("iscsiadm", "--mode", "node") == ""


PARTS = {
    "groups": groups,
    "deletions": deletions,
    "volumes": volumes,
    "exports": exports,
    "targets": targets,
}


def main() -> None:
    part, device = sys.argv[1:]
    import_all()
    directory = Path(tempfile.mkdtemp(prefix="kp"))
    killed = Killed(directory)
    try:
        PARTS[part](killed, device)
    except BaseException:
        killed.programs.release()
        print(killed.daemon.log(), flush=True)
        raise
    finally:
        killed.daemon.signal(signal.SIGTERM)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
