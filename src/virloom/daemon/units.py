# SPDX-License-Identifier: Apache-2.0
"""The systemd units of a daemon: its service and its sockets."""

from __future__ import annotations

from pathlib import Path

from virloom.daemon.config import DaemonConfig
from virloom.daemon.spec import DaemonSpec

_SERVICE = """\
[Unit]
Description={description}
Requires={name}.socket
Wants={name}-ro.socket
Wants={name}-admin.socket
After={name}.socket {name}-ro.socket {name}-admin.socket
After=network.target dbus.service apparmor.service remote-fs.target
Documentation=man:{name}(8)

[Service]
Type=notify
Environment={args}="--timeout 120"
EnvironmentFile=-/etc/sysconfig/{name}
EnvironmentFile=-/etc/default/{name}
ExecStart={program} ${args}
ExecReload=/bin/kill -HUP $MAINPID
# Guests go on without their daemon, and are found again by the next one.
KillMode=process
Restart=on-failure
LimitNOFILE=8192
LimitMEMLOCK=64M
Delegate=yes

[Install]
WantedBy=multi-user.target
Also={name}.socket
Also={name}-ro.socket
Also={name}-admin.socket
"""

_SOCKET = """\
[Unit]
Description={description} {kind} socket
Before={name}.service
{bind}
[Socket]
ListenStream=/run/libvirt/{socket}
Service={name}.service
SocketMode={mode}
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def render(spec: DaemonSpec, program: str, config: DaemonConfig) -> dict[str, str]:
    """File name → text of every unit.

    Args:
        spec: The daemon.
        program: Its absolute path.
        config: For the sockets' modes. The one for all calls is open to everybody only where the
            configuration itself asks for polkit: systemd makes it before the daemon can look
            whether polkit is there.
    """
    writers = config.mode_for_writers(authenticated=config.auth_unix_rw == "polkit")
    bind = f"BindsTo={spec.name}.socket\nAfter={spec.name}.socket\n"
    service = _SERVICE.format(
        name=spec.name,
        description=spec.description,
        args=f"{spec.name.upper()}_ARGS",
        program=program,
    )
    return {
        f"{spec.name}.service": service,
        f"{spec.name}.socket": _socket(spec, "local", spec.socket, writers, ""),
        f"{spec.name}-ro.socket": _socket(
            spec, "local read-only", spec.readonly_socket, config.unix_sock_ro_perms, bind
        ),
        f"{spec.name}-admin.socket": _socket(spec, "admin", spec.admin_socket, "0600", bind),
    }


def _socket(spec: DaemonSpec, kind: str, socket: str, mode: str, bind: str) -> str:
    return _SOCKET.format(
        name=spec.name,
        description=spec.description,
        kind=kind,
        socket=socket,
        mode=mode.zfill(4),
        bind=bind,
    )


def write_units(
    spec: DaemonSpec, program: str, directory: Path, config: DaemonConfig
) -> list[Path]:
    """Writes the units into *directory*; returns their paths."""
    written = []
    for name, text in render(spec, program, config).items():
        path = directory / name
        path.write_text(text)
        written.append(path)
    return written
