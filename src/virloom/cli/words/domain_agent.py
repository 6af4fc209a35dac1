# SPDX-License-Identifier: Apache-2.0
"""What the agent within a guest does for its host."""

from __future__ import annotations

from virloom.cli.shell import jsontext, lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.remarks import remark
from virloom.cli.shell.session import Session
from virloom.enums import domain as e
from virloom.enums.qemu import DomainQemuAgentCommandTimeoutValues as Timeout


@command("domfsfreeze")
async def domfsfreeze(session: Session, arguments: Arguments) -> None:
    """Hold what the guest writes to its file systems."""
    domain = await lookup.domain(session, arguments)
    with failing("Unable to freeze filesystems"):
        number = await domain.agent.freeze(arguments.words("mountpoint"))
    session.output.note(f"Froze {number} filesystem(s)")


@command("domfsthaw")
async def domfsthaw(session: Session, arguments: Arguments) -> None:
    """Let the guest write to its file systems again."""
    domain = await lookup.domain(session, arguments)
    with failing("Unable to thaw filesystems"):
        number = await domain.agent.thaw(arguments.words("mountpoint"))
    session.output.note(f"Thawed {number} filesystem(s)")


@command("domfsinfo")
async def domfsinfo(session: Session, arguments: Arguments) -> None:
    """List what is mounted in a guest."""
    domain = await lookup.domain(session, arguments)
    with failing("Unable to get filesystem information"):
        found = await domain.agent.file_systems()
    if not found:
        remark(session, "No filesystems are mounted in the domain")
        return
    rows = [[one.mountpoint, one.name, one.fstype, ",".join(one.devices)] for one in found]
    session.output.table(["Mountpoint", "Name", "Type", "Target"], rows)


@command("domfstrim")
async def domfstrim(session: Session, arguments: Arguments) -> None:
    """Have the guest give blocks back that its file systems do not use."""
    domain = await lookup.domain(session, arguments)
    minimum = arguments.ulonglong("minimum") or 0
    mountpoint = arguments.get("mountpoint")
    with failing("Unable to invoke fstrim"):
        await domain.agent.trim(mountpoint, minimum)


_HOSTNAME_SOURCES = {
    "lease": e.DomainGetHostnameFlags.LEASE,
    "agent": e.DomainGetHostnameFlags.AGENT,
}


@command("domhostname")
async def domhostname(session: Session, arguments: Arguments) -> None:
    """Print the host name of a guest."""
    domain = await lookup.domain(session, arguments)
    source = arguments.get("source")
    if source is not None and source not in _HOSTNAME_SOURCES:
        raise CommandFailed(f"Unknown data source '{source}'")
    flags = 0 if source is None else _HOSTNAME_SOURCES[source]
    with failing("failed to get hostname"):
        name = await domain.agent.hostname(flags)
    session.output.value("hostname", name)


_GUEST_INFO = {
    "user": e.DomainGuestInfoTypes.USERS,
    "os": e.DomainGuestInfoTypes.OS,
    "timezone": e.DomainGuestInfoTypes.TIMEZONE,
    "hostname": e.DomainGuestInfoTypes.HOSTNAME,
    "filesystem": e.DomainGuestInfoTypes.FILESYSTEM,
    "disk": e.DomainGuestInfoTypes.DISKS,
    "interface": e.DomainGuestInfoTypes.INTERFACES,
}


@command("guestinfo")
async def guestinfo(session: Session, arguments: Arguments) -> None:
    """Print what a guest knows of itself: users, system, time zone and so on."""
    types = arguments.flags(_GUEST_INFO)
    domain = await lookup.domain(session, arguments)
    session.output.fields((await domain.agent.guest_info(types)).items(), "{:<20}: {}")


@command("get-user-sshkeys")
async def get_user_sshkeys(session: Session, arguments: Arguments) -> None:
    """Print the keys that may log in to a guest as one of its users."""
    domain = await lookup.domain(session, arguments)
    session.output.column("key", await domain.agent.ssh_keys(arguments.text("user")))


@command("set-user-sshkeys")
async def set_user_sshkeys(session: Session, arguments: Arguments) -> None:
    """Add keys that may log in to a guest, remove them, or replace all there are."""
    arguments.exclusive("reset", "remove")
    arguments.requires("remove", "file")
    domain = await lookup.domain(session, arguments)
    path = arguments.get("file")
    if path is None and "reset" not in arguments:
        raise CommandFailed("Option --file is required")
    flags = int(e.DomainAuthorizedSSHKeysSetFlags.APPEND)
    if "reset" in arguments:
        flags = 0
    elif "remove" in arguments:
        flags = int(e.DomainAuthorizedSSHKeysSetFlags.REMOVE)
    keys = [] if path is None else read_document(path).split("\n")
    await domain.agent.set_ssh_keys(arguments.text("user"), keys, flags)


@command("set-user-password")
async def set_user_password(session: Session, arguments: Arguments) -> None:
    """Set the password of a guest's user."""
    user, password = arguments.text("user"), arguments.text("password")
    flags = arguments.flag("encrypted", e.DomainSetUserPasswordFlags.ENCRYPTED)
    domain, name = await lookup.domain_named(session, arguments)
    await domain.agent.set_user_password(user, password, flags)
    remark(session, f"Password set successfully for {user} in {name}")


@command("qemu-agent-command")
async def qemu_agent_command(session: Session, arguments: Arguments) -> None:
    """Run a command of the agent in a guest."""
    domain = await lookup.domain(session, arguments)
    seconds = arguments.integer("timeout")
    if seconds is not None and seconds < 1:
        raise CommandFailed("timeout must be positive")
    timeout: int = Timeout.DEFAULT if seconds is None else seconds
    given = [option for option in ("timeout", "async", "block") if option in arguments]
    if len(given) > 1:
        raise CommandFailed("timeout, async and block options are exclusive")
    if "async" in arguments:
        timeout = Timeout.NOWAIT
    elif "block" in arguments:
        timeout = Timeout.BLOCK
    result = await domain.agent.command(" ".join(arguments.words("cmd")), timeout)
    if result is None:
        return
    if "pretty" in arguments:
        result = jsontext.pretty(jsontext.read(result))
    session.output.text(result)


@command("guest-agent-timeout")
async def guest_agent_timeout(session: Session, arguments: Arguments) -> None:
    """Set how long to wait for the agent in a guest."""
    domain = await lookup.domain(session, arguments)
    seconds = arguments.integer("timeout")
    block = e.DomainAgentResponseTimeoutValues.BLOCK
    await domain.agent.set_response_timeout(block if seconds is None else seconds)
