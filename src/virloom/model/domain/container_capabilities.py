# SPDX-License-Identifier: Apache-2.0
"""``<capabilities>`` of ``<features>``: what a container's root may do."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, child
from virloom.xml.kinds import ON_OFF, choice


class Capability(Element):
    """``<mknod state='on'/>``; without a state it is on."""

    state: bool | None = attribute(ON_OFF)


class Capabilities(Element):
    """``<capabilities policy='default'>``."""

    closed = "no capability that we know"
    policy: str | None = attribute(choice("default", "allow", "deny"))
    audit_control: Capability | None = child(Capability)
    audit_write: Capability | None = child(Capability)
    block_suspend: Capability | None = child(Capability)
    chown: Capability | None = child(Capability)
    dac_override: Capability | None = child(Capability)
    dac_read_search: Capability | None = child(Capability)
    fowner: Capability | None = child(Capability)
    fsetid: Capability | None = child(Capability)
    ipc_lock: Capability | None = child(Capability)
    ipc_owner: Capability | None = child(Capability)
    kill: Capability | None = child(Capability)
    lease: Capability | None = child(Capability)
    linux_immutable: Capability | None = child(Capability)
    mac_admin: Capability | None = child(Capability)
    mac_override: Capability | None = child(Capability)
    mknod: Capability | None = child(Capability)
    net_admin: Capability | None = child(Capability)
    net_bind_service: Capability | None = child(Capability)
    net_broadcast: Capability | None = child(Capability)
    net_raw: Capability | None = child(Capability)
    setgid: Capability | None = child(Capability)
    setfcap: Capability | None = child(Capability)
    setpcap: Capability | None = child(Capability)
    setuid: Capability | None = child(Capability)
    sys_admin: Capability | None = child(Capability)
    sys_boot: Capability | None = child(Capability)
    sys_chroot: Capability | None = child(Capability)
    sys_module: Capability | None = child(Capability)
    sys_nice: Capability | None = child(Capability)
    sys_pacct: Capability | None = child(Capability)
    sys_ptrace: Capability | None = child(Capability)
    sys_rawio: Capability | None = child(Capability)
    sys_resource: Capability | None = child(Capability)
    sys_time: Capability | None = child(Capability)
    sys_tty_config: Capability | None = child(Capability)
    syslog: Capability | None = child(Capability)
    wake_alarm: Capability | None = child(Capability)
