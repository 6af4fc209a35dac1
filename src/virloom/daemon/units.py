# SPDX-License-Identifier: Apache-2.0
"""The systemd units of a daemon: its service and its sockets."""

from __future__ import annotations

from pathlib import Path

from virloom.daemon.spec import DaemonSpec

_SERVICE = """\
[Unit]
Description={description}
Requires={name}.socket
Wants={name}-ro.socket
After={name}.socket {name}-ro.socket network.target dbus.service
Documentation=man:{name}(8)

[Service]
Type=notify
Environment={args}="--timeout 120"
EnvironmentFile=-/etc/sysconfig/{name}
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


def render(spec: DaemonSpec, program: str) -> dict[str, str]:
    """File name → text of every unit; *program* is the daemon's absolute path."""
    service = _SERVICE.format(
        name=spec.name,
        description=spec.description,
        args=f"{spec.name.upper()}_ARGS",
        program=program,
    )
    main = _SOCKET.format(
        name=spec.name,
        description=spec.description,
        kind="local",
        socket=spec.socket,
        mode="0600",
        bind="",
    )
    readonly = _SOCKET.format(
        name=spec.name,
        description=spec.description,
        kind="local read-only",
        socket=spec.readonly_socket,
        mode="0666",
        bind=f"BindsTo={spec.name}.socket\nAfter={spec.name}.socket\n",
    )
    return {
        f"{spec.name}.service": service,
        f"{spec.name}.socket": main,
        f"{spec.name}-ro.socket": readonly,
    }


def write_units(spec: DaemonSpec, program: str, directory: Path) -> list[Path]:
    """Writes the units into *directory*; returns their paths."""
    written = []
    for name, text in render(spec, program).items():
        path = directory / name
        path.write_text(text)
        written.append(path)
    return written
