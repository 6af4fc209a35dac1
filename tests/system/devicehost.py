# SPDX-License-Identifier: Apache-2.0
"""A test guest that is a host with devices to give: what its daemons and its virsh are asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.system.hostguest import HostGuest

BIN = Path(sys.executable).parent
SESSIONS = Path(__file__).parents[1] / "interop" / "sessions"

#: Our daemons over a root of their own; the host's places are not touched.
OURS = f"""
mkdir -p /run/own/etc/libvirt
echo 'security_driver = "none"' >/run/own/etc/libvirt/qemu.conf
for daemon in virtlogd virtnodedevd virtqemud; do
    {BIN}/$daemon --root /run/own >>/run/$daemon.log 2>&1 &
done
sockets=/run/own/run/libvirt
for i in $(seq 1500); do
    [ -S $sockets/virtqemud-sock ] && [ -S $sockets/virtnodedevd-sock ] && exit
    sleep .2
done
cat /run/virt*.log; exit 1
"""
#: libvirt's, with empty directories of its own.
THEIRS = """
for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
mkdir -p /run/theirs /run/lock
printf 'stdio_handler = "file"\\nsecurity_driver = "none"\\n' >/etc/libvirt/qemu.conf
printf 'unix_sock_dir = "/run/theirs"\\nauth_unix_rw = "none"\\n' >/run/theirs/conf
for emulator in /usr/bin/qemu-system-*; do
    case $emulator in *x86_64) ;; *) mount --bind /dev/null $emulator ;; esac
done
/usr/sbin/libvirtd --config /run/theirs/conf >/run/theirs/log 2>&1 &
for i in $(seq 600); do [ -S /run/theirs/libvirt-sock ] && exit; sleep .2; done
cat /run/theirs/log; exit 1
"""
_SOCKETS = {
    "ours": "/run/own/run/libvirt/virtqemud-sock",
    "theirs": "/run/theirs/libvirt-sock",
}


def uri(who: str) -> str:
    """Where our daemons (``ours``) or libvirt's (``theirs``) answer."""
    return f"qemu+unix:///system?socket={_SOCKETS[who]}"


class DeviceHost:
    """The host that has the devices.

    Args:
        guest: It.
    """

    def __init__(self, guest: HostGuest) -> None:
        self.guest = guest

    def virsh(self, line: str, *, fails: bool = False) -> str:
        """What virsh says to our daemons."""
        code, told = self.guest.ask(f"virsh -c {uri('ours')} {line}", 600)
        assert (code != 0) == fails, f"{line}: {told}"
        return told

    def create(self, name: str, *devices: str, fails: bool = False) -> str:
        """Starts a guest, paused."""
        self.write("guest.xml", domain(name, *devices))
        return self.virsh("create /run/guest.xml --paused", fails=fails)

    def write(self, name: str, text: str) -> None:
        """Makes a file below ``/run``."""
        self.guest.run(f"cat >/run/{name} <<'END'\n{text}\nEND")

    def session(self, name: str, who: str, seconds: float = 1200, part: str = "") -> list[Any]:
        """What a session of ``tests/interop/sessions`` prints, or a part of it, step by step."""
        told = self.guest.run(f"/usr/bin/python3 {SESSIONS}/{name}.py '{uri(who)}' {part}", seconds)
        return [json.loads(line) for line in told.splitlines() if line.startswith("[")]


def domain(name: str, *devices: str) -> str:
    """A small guest with a few ports."""
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<os><type machine='q35'>hvm</type></os><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='qemu-xhci'/>
<controller type='pci' model='pcie-root'/>{"<controller type='pci' model='pcie-root-port'/>" * 4}
{"".join(devices)}<memballoon model='none'/></devices></domain>"""
