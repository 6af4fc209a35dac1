# SPDX-License-Identifier: Apache-2.0
"""Through the system's own ``ssh``: its keys, agents, configuration and prompts hold."""

from __future__ import annotations

import shlex
from typing import NamedTuple


class SshTarget(NamedTuple):
    """Whom to log in to, and how.

    Attributes:
        host: A name that ssh understands, those of its configuration too.
        program: The ssh to run.
        keyfile: The private key; None for what ssh would take.
        no_verify: Do not check the host's key.
        no_tty: Ask the user nothing.
    """

    host: str
    user: str | None = None
    port: int | None = None
    program: str = "ssh"
    keyfile: str | None = None
    no_verify: bool = False
    no_tty: bool = False


def ssh_command(target: SshTarget, script: str) -> list[str]:
    """The command that runs *script* by the far side's ``sh``, whatever the login shell is."""
    argv = [target.program, "-T", "-e", "none"]
    if target.port is not None:
        argv += ["-p", str(target.port)]
    if target.user is not None:
        argv += ["-l", target.user]
    if target.keyfile is not None:
        argv += ["-i", target.keyfile]
    if target.no_tty:
        argv += ["-o", "BatchMode=yes"]
    if target.no_verify:
        argv += ["-o", "StrictHostKeyChecking=no"]
    return [*argv, "--", target.host, "sh", "-c", shlex.quote(script)]


def helper_script(uri: str, *, readonly: bool = False) -> str:
    """The far side's own program for this, which knows its sockets and starts its daemons."""
    return f"exec virt-ssh-helper {'-r ' if readonly else ''}{shlex.quote(uri)}"


def netcat_script(socket: str, netcat: str = "nc") -> str:
    """Through netcat; the kinds that outlive the end of their input have ``-q`` against it."""
    program, path = shlex.quote(netcat), shlex.quote(socket)
    return (
        f"if {program} -q 2>&1 | grep 'requires an argument' >/dev/null 2>&1; "
        f"then exec {program} -q0 -U {path}; else exec {program} -U {path}; fi"
    )


def either_script(helper: str, netcat: str) -> str:
    """The helper where the far side has it, else netcat."""
    return f"if command -v virt-ssh-helper >/dev/null 2>&1; then {helper}; else {netcat}; fi"
