# SPDX-License-Identifier: Apache-2.0
"""The systemd units of a daemon: its service and its sockets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from virloom.daemon.config import DaemonConfig
from virloom.daemon.proxy_user import ProxyUser
from virloom.daemon.spec import DaemonSpec

_SERVICE = """\
[Unit]
Description={description}
Requires={name}.socket
{wants}
After={sockets}
{after}
Documentation=man:{name}(8)

[Service]
Type=notify
Environment={args}="{options}"
EnvironmentFile=-/etc/sysconfig/{name}
EnvironmentFile=-/etc/default/{name}
ExecStart={program} ${args}
{how}

[Install]
WantedBy=multi-user.target
{also}
"""

_AFTER = "After=network.target dbus.service apparmor.service remote-fs.target"

#: Of a daemon with guests, or what they need.
_HOW = """\
ExecReload=/bin/kill -HUP $MAINPID
# Guests go on without their daemon, and are found again by the next one.
KillMode=process
Restart=on-failure
LimitNOFILE=8192
LimitMEMLOCK=64M
Delegate=yes"""

#: Of a daemon whose descriptors outlive it.
_HOW_LASTING = """\
ExecReload=/bin/kill -USR1 $MAINPID
# What guests have open is kept here while there is no process, and given to the next one.
FileDescriptorStoreMax=16384
Restart=on-failure
# Without it, guests lose what they write, or the leases on their disks.
OOMScoreAdjust=-900
LimitNOFILE=16384"""

_SOCKET = """\
[Unit]
Description={description} {kind} socket
Before={name}.service
{bind}
[Socket]
{listens}
Service={name}.service
SocketMode={mode}
{group}RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def render(
    spec: DaemonSpec, program: str, config: DaemonConfig, proxy: ProxyUser | None = None
) -> dict[str, str]:
    """File name → text of every unit.

    Args:
        spec: The daemon.
        program: Its absolute path.
        config: For the sockets' modes. The one for all calls is open to everybody only where the
            configuration itself asks for polkit: systemd makes it before the daemon can look
            whether polkit is there.
        proxy: Who is to connect besides, as to sockets that the daemon makes itself.
    """
    proxy = proxy if spec.is_relayed_to else None
    group = config.unix_sock_group or (str(proxy.gid) if proxy is not None else "")
    writers = config.mode_for_writers(
        authenticated=config.auth_unix_rw == "polkit",
        grouped=proxy is not None and not config.unix_sock_group,
    )
    bind = f"BindsTo={spec.name}.socket\nAfter={spec.name}.socket\n"
    units = {
        f"{spec.name}.service": _service(spec, program),
        f"{spec.name}.socket": _socket(spec, "local", [spec.socket], writers, "", group),
    }
    if spec.reads:
        units[f"{spec.name}-ro.socket"] = _socket(
            spec, "local read-only", [spec.readonly_socket], config.unix_sock_ro_perms, bind, group
        )
    units[f"{spec.name}-admin.socket"] = _socket(spec, "admin", spec.admin_sockets, "0600", bind)
    return units


def _service(spec: DaemonSpec, program: str) -> str:
    others = [f"{spec.name}-ro.socket"] if spec.reads else []
    others.append(f"{spec.name}-admin.socket")
    sockets = [f"{spec.name}.socket", *others]
    needed = [f"{name}.socket" for name in spec.needs]
    return _SERVICE.format(
        name=spec.name,
        description=spec.description,
        args=f"{spec.name.upper()}_ARGS",
        options="" if spec.lasting else "--timeout 120",
        program=program,
        wants="\n".join(f"Wants={unit}" for unit in [*others, *needed]),
        sockets=" ".join([*sockets, *needed]),
        after="Before=libvirtd.service virtqemud.service" if spec.lasting else _AFTER,
        how="\n".join([_HOW_LASTING if spec.lasting else _HOW, *_rights(spec)]),
        also="\n".join(f"Also={unit}" for unit in sockets),
    )


def _rights(spec: DaemonSpec) -> list[str]:
    """What the daemon gives up itself too, for who starts it otherwise."""
    if spec.rights is None:
        return []
    names = " ".join(f"CAP_{name}" for name in spec.rights.capabilities)
    return [
        f"CapabilityBoundingSet={names}",
        *([] if spec.rights.gains else ["NoNewPrivileges=yes"]),
    ]


def _socket(
    spec: DaemonSpec, kind: str, sockets: Sequence[str], mode: str, bind: str, group: str = ""
) -> str:
    return _SOCKET.format(
        name=spec.name,
        description=spec.description,
        kind=kind,
        listens="\n".join(f"ListenStream=/run/libvirt/{name}" for name in sockets),
        mode=mode.zfill(4),
        bind=bind,
        group=f"SocketGroup={group}\n" if group else "",
    )


def write_units(
    spec: DaemonSpec,
    program: str,
    directory: Path,
    config: DaemonConfig,
    proxy: ProxyUser | None = None,
) -> list[Path]:
    """Writes the units into *directory*; returns their paths."""
    written = []
    for name, text in render(spec, program, config, proxy).items():
        path = directory / name
        path.write_text(text)
        written.append(path)
    return written
