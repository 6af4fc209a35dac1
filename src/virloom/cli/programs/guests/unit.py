# SPDX-License-Identifier: Apache-2.0
"""The systemd unit of the service: after the daemons on the way up, before them on the way down."""

from __future__ import annotations

from virloom.daemons import FAMILY

_UNIT = """\
[Unit]
Description=Guests go down and come up with their host
After=network.target time-sync.target
{after}
Documentation=man:libvirt-guests(8)

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} start
ExecStop={program} stop
# SHUTDOWN_TIMEOUT bounds it; a guest that is being saved must not be cut off.
TimeoutStopSec=0
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
"""


def render(program: str) -> str:
    """The text of ``libvirt-guests.service``; *program* is an absolute path."""
    daemons = [*FAMILY.values(), "libvirtd"]
    after = "\n".join(f"After={name}.socket {name}.service" for name in daemons)
    return _UNIT.format(program=program, after=after)
