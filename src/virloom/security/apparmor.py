# SPDX-License-Identifier: Apache-2.0
"""AppArmor: a profile for each guest, named as libvirt names it.

``libvirt-UUID`` says what every QEMU may do and includes ``libvirt-UUID.files``, the rules of what
this guest's document names; that file alone is written again when a device comes or goes. The
profile is compiled and loaded by ``apparmor_parser``, QEMU enters it by its exec, and it is taken
out of the kernel by its name when the guest has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PARSER = "apparmor_parser"

#: Where the kernel is asked for a profile at the next exec, with ``exec NAME``; older kernels know
#: the second place alone.
EXEC_FILES = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")

#: Takes the name of a profile that is to go.
REMOVE_FILE = "/sys/kernel/security/apparmor/.remove"

_PROFILE = """\
# Made by virloom for one guest; a change is lost at its next start.
include <tunables/global>

profile "{name}" flags=(attach_disconnected, mediate_deleted) {{
  include <abstractions/base>

  # Itself, its threads, and who looks after it.
  ptrace (readby, tracedby) peer=unconfined,
  signal (receive) peer=unconfined,
  signal (send, receive) peer="{name}",
  unix (send, receive, connect, accept, bind, listen, create, getopt, setopt, shutdown, getattr),
  network inet,
  network inet6,
  network netlink raw,

  # The program, what it loads, and the firmware that comes with it.
  "{emulator}" rmix,
  /usr/lib/**/qemu/*.so rm,
  /usr/share/{{qemu,qemu-efi-*,OVMF,AAVMF,seabios,ipxe,vgabios,openbios,slof}}/{{,**}} r,
  /usr/lib/ipxe/qemu/* r,

  # What it asks the kernel about itself and the host.
  owner @{{PROC}}/@{{pid}}/{{status,stat,maps,cmdline,mountinfo}} r,
  owner @{{PROC}}/@{{pid}}/task/@{{tid}}/comm rw,
  @{{PROC}}/sys/kernel/cap_last_cap r,
  @{{PROC}}/sys/vm/overcommit_memory r,
  /sys/devices/system/{{cpu,node}}/{{,**}} r,
  /sys/module/vhost/parameters/max_mem_regions r,
  /sys/kernel/mm/transparent_hugepage/* r,

  # Memory that it shares, and what it is handed in memory.
  "/memfd:*" rwk,

  # Devices that every guest may have.
  /dev/kvm rw,
  /dev/ptmx rw,
  /dev/pts/* rw,
  /dev/net/tun rw,
  /dev/vhost-{{net,vsock}} rw,

  include "{files}"
}}
"""


class Rule(NamedTuple):
    """What a guest may do with a path.

    Attributes:
        access: Letters of AppArmor's file rules.
        below: It is a directory, and all that is in it is meant too.
    """

    path: str
    access: str
    below: bool = False


def profile_name(uuid: str) -> str:
    """The profile of a guest, which is its label too."""
    return f"libvirt-{uuid}"


def profile_text(uuid: str, emulator: str, files: str) -> str:
    """The profile itself.

    Args:
        emulator: QEMU.
        files: The path of the file that it includes.

    Raises:
        ValueError: A path cannot be written in a profile.
    """
    return _PROFILE.format(
        name=profile_name(uuid), emulator=literal(emulator), files=_quotable(files)
    )


def rules_text(rules: Iterable[Rule]) -> str:
    """The rules that a profile includes, sorted; of one path the accesses are joined.

    Raises:
        ValueError: A path cannot be written in a profile.
    """
    joined: dict[str, set[str]] = {}
    for rule in rules:
        pattern = literal(rule.path) + ("/{,**}" if rule.below else "")
        joined.setdefault(pattern, set()).update(rule.access)
    lines = ["# What this guest's document names."]
    for pattern in sorted(joined):
        access = "".join(letter for letter in "rwkl" if letter in joined[pattern])
        lines.append(f'  "{pattern}" {access},')
    return "\n".join([*lines, ""])


def literal(path: str) -> str:
    """A path as a pattern that matches it alone, to stand between double quotes.

    Raises:
        ValueError: It has a character that no profile can hold, or is not absolute.
    """
    return "".join(f"\\{char}" if char in "\\*?[]{}^@" else char for char in _quotable(path))


def _quotable(path: str) -> str:
    if not path.startswith("/") or any(char in path for char in '"\n\r\0'):
        raise ValueError(f"{path!r} cannot be named in an AppArmor profile")
    return path
