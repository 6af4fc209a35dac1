# SPDX-License-Identifier: Apache-2.0
"""The host and the hypervisor: what they are."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.cpus import ranges
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import attribute, parsed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.versions import version_text
from virloom.endpoint.release import LIB_VERSION
from virloom.enums.host import NodeSuspendTarget
from virloom.errors import VirloomError


@command("capabilities")
async def capabilities(session: Session, arguments: Arguments) -> None:
    """Print what the host and its hypervisor can do, as XML."""
    connection = await session.connection()
    with failing("failed to get capabilities"):
        document = await connection.capabilities()
    # Here virsh ends a line that has an end already.
    session.output.document(document + "\n")


@command("domcapabilities")
async def domcapabilities(session: Session, arguments: Arguments) -> None:
    """Print what domains of a kind can have on this host, as XML."""
    connection = await session.connection()
    with failing("failed to get emulator capabilities"):
        document = await connection.domain_capabilities(
            arguments.get("emulatorbin"),
            arguments.get("arch"),
            arguments.get("machine"),
            arguments.get("virttype"),
        )
    session.output.document(document + "\n")


@command("hostname")
async def hostname(session: Session, arguments: Arguments) -> None:
    """Print the host's name."""
    connection = await session.connection()
    with failing("failed to get hostname"):
        session.output.value("hostname", await connection.hostname())


@command("uri")
async def uri(session: Session, arguments: Arguments) -> None:
    """Print the URI of the connection."""
    connection = await session.connection()
    session.output.value("uri", connection.uri)


@command("sysinfo")
async def sysinfo(session: Session, arguments: Arguments) -> None:
    """Print the host's system information, as XML."""
    connection = await session.connection()
    with failing("failed to get sysinfo"):
        session.output.document(await connection.sysinfo())


@command("maxvcpus")
async def maxvcpus(session: Session, arguments: Arguments) -> None:
    """Print how many virtual processors a domain may have."""
    connection = await session.connection()
    kind = arguments.get("type")
    try:
        # What domains can have tells more than the older call, which knows no machine types.
        document = parsed(await connection.domain_capabilities(None, None, None, kind))
        found = attribute(document, "vcpu", "max")
    except VirloomError:
        found = None
    number = int(found) if found is not None else await connection.max_vcpus(kind)
    session.output.value("vcpus", number)


@command("nodeinfo")
async def nodeinfo(session: Session, arguments: Arguments) -> None:
    """Print the host's processors and memory."""
    connection = await session.connection()
    with failing("failed to get node information"):
        info = await connection.node_info()
    session.output.fields(
        [
            ("CPU model:", info.model),
            ("CPU(s):", info.cpus),
            ("CPU frequency:", f"{info.mhz} MHz"),
            ("CPU socket(s):", info.sockets),
            ("Core(s) per socket:", info.cores),
            ("Thread(s) per core:", info.threads),
            ("NUMA cell(s):", info.nodes),
            ("Memory size:", f"{info.memory} KiB"),
        ],
        "{:<20} {}",
    )


@command("nodecpumap")
async def nodecpumap(session: Session, arguments: Arguments) -> None:
    """Print which of the host's processors are online."""
    connection = await session.connection()
    with failing("Unable to get cpu map"):
        cpus = await connection.node_cpu_map()
    if "pretty" in arguments:
        shown = ranges(cpus.online)
    else:
        shown = "".join("y" if cpu in cpus.online else "-" for cpu in range(cpus.present))
    session.output.fields(
        [("CPUs present:", cpus.present), ("CPUs online:", len(cpus.online)), ("CPU map:", shown)]
    )


@command("nodesuspend")
async def nodesuspend(session: Session, arguments: Arguments) -> None:
    """Have the host sleep for some seconds."""
    target = arguments.text("target")
    duration = arguments.longlong("duration")
    kinds = {one.name.lower(): one for one in NodeSuspendTarget}
    if target not in kinds:
        raise CommandFailed("Invalid target")
    if duration is None or duration < 0:
        raise CommandFailed("Invalid duration")
    connection = await session.connection()
    with failing("The host was not suspended"):
        await connection.node_suspend(kinds[target], duration)


@command("nodesevinfo")
async def nodesevinfo(session: Session, arguments: Arguments) -> None:
    """Print what AMD SEV needs to know of the host."""
    connection = await session.connection()
    with failing("Unable to get host SEV information"):
        values = await connection.node_sev_info()
    session.output.fields([(name, value) for name, value in values.items()], "{:<18}: {}")


@command("version")
async def version(session: Session, arguments: Arguments) -> None:
    """Print the versions of the library, the hypervisor and the daemon."""
    connection = await session.connection()
    with failing("failed to get hypervisor type"):
        kind = await connection.type()
    own = version_text(LIB_VERSION)
    with failing("failed to get the library version"):
        library = version_text(await connection.lib_version())
    facts = [
        ("Compiled against library", f"libvirt {own}"),
        ("Using library", f"libvirt {own}"),
        ("Using API", f"{kind} {own}"),
    ]
    session.output.fields(facts, "{}: {}")
    with failing("failed to get the hypervisor version"):
        running = await connection.version()
    if running:
        facts = [("Running hypervisor", f"{kind} {version_text(running)}")]
        session.output.fields(facts, "{}: {}")
    else:
        session.output.text(f"Cannot extract running {kind} hypervisor version")
    if "daemon" in arguments:
        session.output.fields([("Running against daemon", library)], "{}: {}")
