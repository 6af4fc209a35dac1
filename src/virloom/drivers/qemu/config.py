# SPDX-License-Identifier: Apache-2.0
"""The QEMU driver's configuration: the keys of libvirt's ``qemu.conf`` that have a meaning here."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from virloom.drivers.runtime.settings import read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax
from virloom.host.cgroup.mounts import CONTROLLERS, Controller

logger = logging.getLogger(__name__)

#: What every guest may open (libvirt's default).
DEVICE_ACL = (
    "/dev/null",
    "/dev/full",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/kvm",
)

#: Keys of libvirt 9's file that have no meaning here: migration, whose turn has not come; helpers
#: that nobody calls; encryption of single kinds, where documents say which (their switches do have
#: one, see ``PROMISES``).
WITHOUT_MEANING = (
    "auto_dump_bypass_cache", "backup_tls_x509_secret_uuid", "capability_filters",
    "chardev_tls_x509_cert_dir", "chardev_tls_x509_secret_uuid", "chardev_tls_x509_verify",
    "dbus_daemon", "default_tls_x509_secret_uuid", "deprecation_behavior",
    "gluster_debug_level", "keepalive_count", "keepalive_interval", "log_timestamp",
    "max_threads_per_process", "memory_backing_dir", "migrate_tls_force",
    "migrate_tls_x509_cert_dir", "migrate_tls_x509_secret_uuid", "migrate_tls_x509_verify",
    "migration_address", "migration_host", "migration_port_max", "migration_port_min",
    "nbd_tls_x509_cert_dir", "nbd_tls_x509_secret_uuid", "nographics_allow_host_audio", "nvram",
    "pr_helper", "relaxed_acs_check", "remote_websocket_port_max", "remote_websocket_port_min",
    "set_process_name", "slirp_helper", "spice_auto_unix_socket", "spice_sasl_dir",
    "spice_tls_x509_cert_dir", "swtpm_group", "swtpm_user", "virtiofsd_debug",
    "vnc_allow_host_audio", "vnc_sasl_dir", "vnc_tls_x509_cert_dir", "vnc_tls_x509_secret_uuid",
    "vnc_tls_x509_verify", "vxhs_tls", "vxhs_tls_x509_cert_dir", "vxhs_tls_x509_secret_uuid",
)  # fmt: skip

#: Keys that promise what nothing here does; what they are about is refused where they are set
#: (:mod:`virloom.drivers.qemu.confine.promises`).
PROMISES = (
    "vnc_tls", "vnc_sasl", "spice_sasl", "chardev_tls", "nbd_tls", "mac_filter", "sched_core",
)  # fmt: skip

_SCHED_CORE = ("none", "vcpus", "emulator", "full")

#: Controllers that the file may name and that limit nothing here.
_IDLE_CONTROLLERS = ("freezer", "net_cls", "perf_event")


#: Keys whose value is a list, and the words that may be in it; none: all.
_LISTS: dict[str, tuple[str, ...]] = {
    "security_driver": (),
    "namespaces": ("mount",),
    "hugetlbfs_mount": (),
}


class QemuConfig:
    """What ``qemu.conf`` says, with libvirt's names and defaults.

    Attributes:
        user: Who QEMU runs as when the driver is root; None chooses ``libvirt-qemu`` if it exists.
        group: QEMU's group, likewise.
        dynamic_ownership: Whether files are given to that user for the time of a run.
        remember_owner: Whether their former owners are remembered, and given back at the end.
        security_driver: What confines guests besides owners: selinux, apparmor, none, or several;
            None takes the one that the kernel has.
        security_default_confined: Whether guests are confined that do not say.
        security_require_confined: Whether guests that are not confined are refused.
        namespaces: What guests have of their own: mount, a ``/dev``, or nothing; None is mount for
            the system's guests, and nothing for those of a user or an embedded driver.
        clear_emulator_capabilities: Whether a QEMU that runs as root loses root's capabilities.
        hugetlbfs_mount: Where huge pages are mounted; None looks for them, an empty list has none.
        vnc_listen: Where VNC listens when the document does not say.
        spice_listen: Where SPICE listens when the document does not say.
        spice_password: Its password, as for VNC.
        spice_tls: Whether SPICE may have a TLS port.
        vnc_password: The password when the document has none; empty for none.
        vnc_auto_unix_socket: Whether VNC without an address listens on a UNIX socket.
        remote_display_port_min: First port that is tried for displays.
        remote_display_port_max: Last port that is tried.
        seccomp_sandbox: 1 on, 0 off, -1 as the build's default, which is on.
        max_queued: How many calls may wait for one domain; 0 for no limit.
        max_processes: RLIMIT_NPROC of QEMU; 0 leaves it.
        max_files: RLIMIT_NOFILE of QEMU; 0 leaves it.
        max_core: Bytes of a core dump: ``unlimited`` or a number.
        stdio_handler: Where what guests write goes: ``logd`` through virtlogd, which bounds it, and
            guests do not start without it; ``file`` straight to the files; None through virtlogd
            where it runs, else to the files. Embedded drivers always write the files.
        dump_guest_core: Whether a core dump holds the guest's memory.
        save_image_format: How saved guests are packed: raw, gzip, bzip2, xz or lzop.
        dump_image_format: The same for dumps of guests.
        snapshot_image_format: The same for the memory of external snapshots.
        cgroup_controllers: The control groups that guests are put into.
        cgroup_device_acl: Devices that every guest may open.
        default_tls_x509_cert_dir: Where the certificates are; empty for libvirt's place.
        default_tls_x509_verify: Whether clients need one of their own; None for each one's default.
        backup_tls_x509_cert_dir: The certificates of a server that backups are pulled from.
        backup_tls_x509_verify: Whether those who pull need one; when nothing is said they do.
        lock_manager: Who gives leases on disks: ``lockd`` (virtlockd), ``etcd``, or one that a
            package brings; None or ``nop`` for nobody, as by libvirt's default.
        bridge_helper: What makes taps for ordinary users.
        auto_start_bypass_cache: Whether starts by themselves read saved guests past the cache.
        auto_dump_path: Where a guest that has crashed is dumped; empty for libvirt's place.
        vnc_tls: Whether VNC has to be encrypted. Nothing here does that: guests with VNC are
            refused then.
        vnc_sasl: Whether its clients authenticate by SASL; likewise.
        spice_sasl: The same of SPICE; likewise.
        chardev_tls: Whether TCP ports of guests are encrypted whose document does not say: they are
            refused then, and start with ``<source … tls='yes'/>`` or ``'no'``.
        nbd_tls: The same of disks by NBD.
        mac_filter: Whether guests are kept from other MAC addresses than theirs: cards on bridges
            without a ``<filterref>`` are refused then.
        sched_core: ``none``; all else (``vcpus``, ``emulator``, ``full``) refuses each start, for
            nothing here has cores to itself.
    """

    def __init__(self, settings: dict[str, Any] | None = None, source: str = "qemu.conf") -> None:
        self.user: str | None = None
        self.group: str | None = None
        self.dynamic_ownership = True
        self.remember_owner = True
        self.security_driver: list[str] | None = None
        self.security_default_confined = True
        self.security_require_confined = False
        self.namespaces: list[str] | None = None
        self.clear_emulator_capabilities = True
        self.hugetlbfs_mount: list[str] | None = None
        self.vnc_listen = "127.0.0.1"
        self.spice_listen = "127.0.0.1"
        self.spice_password = ""
        self.spice_tls = False
        self.vnc_password = ""
        self.vnc_auto_unix_socket = False
        self.remote_display_port_min = 5900
        self.remote_display_port_max = 65535
        self.seccomp_sandbox = -1
        self.max_queued = 0
        self.max_processes = 0
        self.max_files = 0
        self.max_core: int | str = 0
        self.stdio_handler: str | None = None
        self.dump_guest_core = False
        self.save_image_format = "raw"
        self.dump_image_format = "raw"
        self.snapshot_image_format = "raw"
        self.lock_manager: str | None = None
        self.bridge_helper = "/usr/lib/qemu/qemu-bridge-helper"
        self.auto_start_bypass_cache = False
        self.auto_dump_path = ""
        self.vnc_tls = False
        self.vnc_sasl = False
        self.spice_sasl = False
        self.chardev_tls = False
        self.nbd_tls = False
        self.mac_filter = False
        self.sched_core = "none"
        self.cgroup_controllers: tuple[str, ...] = CONTROLLERS
        self.cgroup_device_acl: tuple[str, ...] = DEVICE_ACL
        self.default_tls_x509_cert_dir = ""
        self.backup_tls_x509_cert_dir = ""
        self.default_tls_x509_verify: bool | None = None
        self.backup_tls_x509_verify: bool | None = None
        for name, value in (settings or {}).items():
            self._set(name, value, source)
        if self.remote_display_port_min > self.remote_display_port_max:
            raise ConfSyntax(
                f"{source}: remote_display_port_min is above remote_display_port_max",
                domain=ErrorDomain.CONF,
            )

    @classmethod
    def load(cls, path: Path) -> QemuConfig:
        """The configuration in *path*; the defaults where there is no such file.

        Raises:
            ConfSyntax: The file is malformed, or a value has the wrong type.
            SystemFailure: It cannot be read.
        """
        return cls(read_settings(path), os.fspath(path))

    def _set(self, name: str, value: Any, source: str) -> None:
        if name not in self.__dict__:
            # A file of libvirt's stays usable; what nobody knows may be a slip of the pen.
            known = name in WITHOUT_MEANING
            level = logging.INFO if known else logging.WARNING
            logger.log(level, "%s: '%s' has no meaning here", source, name)
            return
        present = self.__dict__[name]
        if name in _LISTS:
            value = self._list(name, value, source)
        elif isinstance(present, bool) or name.endswith("_verify"):
            if value not in (0, 1):
                raise self._wrong(source, name, "0 or 1", value)
            value = bool(value)
        elif name == "max_core":
            if not isinstance(value, int) and value != "unlimited":
                raise self._wrong(source, name, 'a number or "unlimited"', value)
        elif isinstance(present, tuple):
            value = self._strings(source, name, value)
        elif isinstance(present, int):
            if not isinstance(value, int):
                raise self._wrong(source, name, "a number", value)
        elif not isinstance(value, str):
            raise self._wrong(source, name, "a string", value)
        elif name == "stdio_handler" and value not in ("logd", "file"):
            raise self._wrong(source, name, '"logd" or "file"', value)
        elif name == "sched_core" and value not in _SCHED_CORE:
            raise self._wrong(source, name, " or ".join(f'"{word}"' for word in _SCHED_CORE), value)
        self.__dict__[name] = value

    @property
    def controllers(self) -> list[Controller]:
        """Those of :attr:`cgroup_controllers` that do anything here."""
        return [name for name in CONTROLLERS if name in self.cgroup_controllers]

    def _strings(self, source: str, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(source, name, "a list of strings", value)
        unknown = sorted(set(value) - {*CONTROLLERS, *_IDLE_CONTROLLERS})
        if name == "cgroup_controllers" and unknown:
            raise self._wrong(source, name, "a list of cgroup controllers", unknown[0])
        return tuple(value)

    def _list(self, name: str, value: Any, source: str) -> list[str]:
        """A list of words, for which a single one may stand."""
        words = value if isinstance(value, list) else [value] if value != "" else []
        known = _LISTS[name]
        for word in words:
            if not isinstance(word, str) or (known and word not in known):
                wanted = " or ".join(f'"{item}"' for item in known) or "a list of strings"
                raise self._wrong(source, name, wanted, word)
        return words

    @staticmethod
    def _wrong(source: str, name: str, wanted: str, value: Any) -> ConfSyntax:
        return ConfSyntax(
            f"{source}: {name} must be {wanted}, not {value!r}", domain=ErrorDomain.CONF
        )
