# SPDX-License-Identifier: Apache-2.0
"""What clients ask when they connect, about the host and settings of domains; as libvirt 9."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.system.conftest import BootGuest, Lifecycle, PausedGuest, embedded
from virloom.client.connection import Connection
from virloom.drivers.homes import open_in_process
from virloom.drivers.qemu.capabilities import kvm
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventType,
    DomainGetJobStatsFlags,
    DomainJobType,
    DomainLifecycle,
    DomainLifecycleAction,
    DomainModificationImpact,
    DomainUndefineFlagsValues,
)
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoDomain,
    NoDomainSnapshot,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    SystemFailure,
    XmlError,
)
from virloom.host.process import run
from virloom.procedures import connect as p
from virloom.procedures import domain as d
from virloom.procedures.record import VOID
from virloom.procedures.types import NonnullDomain
from virloom.testing.documents import paused_guest_xml
from virloom.uri import ConnectURI

START_PAUSED = DomainCreateFlags.START_PAUSED
LIVE, CONFIG = DomainModificationImpact.LIVE, DomainModificationImpact.CONFIG


@pytest.fixture
async def endpoint(root: Path) -> AsyncIterator[Endpoint]:
    """The driver, for calls that the client has no method for."""
    opened = await open_in_process(ConnectURI.parse(embedded(root)), readonly=False)
    yield opened
    await opened.close()


# -- the host --------------------------------------------------------------------------------------


async def test_the_host_as_a_whole(conn: Connection, endpoint: Endpoint) -> None:
    info = await conn.node_info()
    root = ET.fromstring(await conn.capabilities())
    cells = root.findall("host/topology/cells/cell")
    assert info.memory == sum(int(cell.findtext("memory", "0")) for cell in cells)
    assert info.cpus == os.sysconf("SC_NPROCESSORS_ONLN")
    present = (await conn.node_cpu_map()).present
    assert info.nodes * info.sockets * info.cores * info.threads == present
    free = await conn.node_free_memory()
    assert 0 < free < info.memory * 1024
    per_cell = await conn.node_cells_free_memory(0, 64)
    assert len(per_cell) == len(cells)
    security = await endpoint.call(p.NODE_GET_SECURITY_MODEL, VOID)
    assert (security.model, security.doi) == (b"none\0", b"0\0")
    with pytest.raises(OperationUnsupported):
        await endpoint.call(p.NODE_GET_SEV_INFO, p.NodeGetSevInfoArgs(0, 0))


async def test_kvm_is_announced_where_it_works(conn: Connection, tmp_path: Path) -> None:
    root = ET.fromstring(await conn.capabilities())
    types = {one.get("type") for one in root.iterfind("guest/arch/domain")}
    assert "qemu" in types
    assert ("kvm" in types) == await kvm.usable(tmp_path)


async def test_kvm_guests_are_refused_where_it_does_not_work(
    conn: Connection, tmp_path: Path
) -> None:
    verdict = await kvm.check(tmp_path)
    if verdict.usable:
        pytest.skip("KVM works here")
    document = paused_guest_xml("web").replace("type='qemu'", "type='kvm'", 1)
    dom = await conn.define_xml(document)
    with pytest.raises(ConfigUnsupported) as refusal:
        await dom.create()
    assert verdict.reason in str(refusal.value)


async def test_processors(conn: Connection, endpoint: Endpoint) -> None:
    every = await conn.node_cpu_stats()
    assert list(every) == ["kernel", "user", "idle", "iowait"]
    first = await conn.node_cpu_stats(0)
    assert 0 < first["idle"] <= every["idle"]
    with pytest.raises(InvalidArg):
        await conn.node_cpu_stats(10**6)
    with pytest.raises(InvalidArg):
        await conn.node_cpu_stats(-2)
    for number in (3, 5):  # all or none, as in libvirt
        with pytest.raises(InvalidArg):
            await endpoint.call(p.NODE_GET_CPU_STATS, p.NodeGetCPUStatsArgs(-1, number, 0))
    cpus = await conn.node_cpu_map()
    assert 0 in cpus.online
    assert len(cpus.online) == os.sysconf("SC_NPROCESSORS_ONLN")
    names = await conn.cpu_model_names("x86_64")
    assert {"qemu64", "EPYC"} <= set(names)
    with pytest.raises(InvalidArg):
        await conn.cpu_model_names("toaster")


async def memory_stats(endpoint: Endpoint, cell: int) -> dict[str, int]:
    """Asked for twice: how many there are, then what they are."""
    number = await endpoint.call(p.NODE_GET_MEMORY_STATS, p.NodeGetMemoryStatsArgs(0, cell, 0))
    assert number.params == []
    ret = await endpoint.call(
        p.NODE_GET_MEMORY_STATS, p.NodeGetMemoryStatsArgs(number.nparams, cell, 0)
    )
    return {one.field: one.value for one in ret.params}


async def free_pages(endpoint: Endpoint, sizes: list[int], first: int, count: int) -> list[int]:
    args = p.NodeGetFreePagesArgs(sizes, first, count, 0)
    return (await endpoint.call(p.NODE_GET_FREE_PAGES, args)).counts


async def test_memory(conn: Connection, endpoint: Endpoint) -> None:
    host = await memory_stats(endpoint, -1)
    assert list(host) == ["total", "free", "buffers", "cached"]
    assert list(await memory_stats(endpoint, 0)) == ["total", "free"]
    for cell in (-2, 10**6):
        with pytest.raises(InvalidArg):
            await memory_stats(endpoint, cell)
    small = os.sysconf("SC_PAGE_SIZE") // 1024
    assert (await free_pages(endpoint, [small], -1, 1))[0] > 0
    assert len(await free_pages(endpoint, [small], 0, 64)) == len(
        await conn.node_cells_free_memory(0, 64)
    )
    with pytest.raises(OperationFailed):
        await free_pages(endpoint, [5], 0, 1)
    with pytest.raises(InternalError):
        await free_pages(endpoint, [small], 1000, 1)
    with pytest.raises(InternalError):
        await conn.node_cells_free_memory(1000, 1)


async def test_shared_memory(conn: Connection) -> None:
    if not os.path.isdir("/sys/kernel/mm/ksm"):
        with pytest.raises(SystemFailure):
            await conn.node_memory_parameters()
        return
    params = await conn.node_memory_parameters()
    with open("/sys/kernel/mm/ksm/sleep_millisecs") as file:
        assert params["shm_sleep_millisecs"] == int(file.read())
    assert "shm_pages_sharing" in params


async def test_what_the_firmware_says(conn: Connection) -> None:
    if not os.path.isdir("/sys/class/dmi/id"):
        with pytest.raises(ConfigUnsupported):
            await conn.sysinfo()
        return
    assert ET.fromstring(await conn.sysinfo()).get("type") == "smbios"


# -- what guests can have --------------------------------------------------------------------------


async def domain_capabilities(endpoint: Endpoint, *words: str | None) -> ET.Element:
    emulator, arch, machine, kind = [*words, None, None, None, None][:4]
    args = d.ConnectGetDomainCapabilitiesArgs(emulator, arch, machine, kind, 0)
    return ET.fromstring(
        (await endpoint.call(d.CONNECT_GET_DOMAIN_CAPABILITIES, args)).capabilities
    )


async def test_what_guests_can_have(endpoint: Endpoint) -> None:
    root = await domain_capabilities(endpoint, None, None, "q35", "qemu")
    assert root.findtext("machine", "").startswith("pc-q35-")
    usable = {
        one.text: one.get("usable") for one in root.iterfind("cpu/mode[@name='custom']/model")
    }
    assert usable["qemu64"] == "yes"
    assert usable["Skylake-Client"] == "no"
    chosen = await domain_capabilities(endpoint)
    assert chosen.findtext("path", "").endswith("/qemu-system-x86_64")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("/nowhere/qemu",), SystemFailure),
        ((None, "toaster"), InvalidArg),
        (("/usr/bin/qemu-system-x86_64", "i686"), InvalidArg),
        ((None, None, "toaster"), InvalidArg),
        ((None, None, None, "xen"), InvalidArg),
        ((None, None, None, "toaster"), InvalidArg),
    ],
)
async def test_guests_that_cannot_be(
    endpoint: Endpoint, words: Sequence[str | None], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await domain_capabilities(endpoint, *words)


LIBVIRT = """
import libvirt, sys
libvirt.virEventRegisterDefaultImpl()
c = libvirt.open(f"qemu:///embed?root={sys.argv[1]}")
print(c.getDomainCapabilities(None, "x86_64", sys.argv[2], "qemu"))
"""

#: What this driver starts less of than libvirt; everything else must be the same.
LESS = {
    "cpu/host-model", "iothreads", "memoryBacking", "vcpu", "devices/hostdev",
    "devices/filesystem", "devices/tpm", "devices/redirdev", "devices/crypto", "features/backup",
    "features/hyperv", "features/sgx", "features/sev",
}  # fmt: skip


@pytest.mark.parity
@pytest.mark.skipif(
    not Path("/usr/lib/python3/dist-packages/libvirt.py").exists(),
    reason="python3-libvirt is not installed",
)
@pytest.mark.parametrize("machine", ["pc", "q35"])
async def test_guests_can_have_what_libvirt_says(endpoint: Endpoint, machine: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to libvirt's QEMU
        os.chmod(name, 0o755)
        script = ["/usr/bin/python3", "-c", LIBVIRT, f"{name}/root", machine]
        theirs = ET.fromstring((await run(script, timeout=60)).stdout)
    ours = await domain_capabilities(endpoint, None, "x86_64", machine, "qemu")
    told, known = summary(ours), summary(theirs)
    assert told.keys() <= known.keys()
    for path in known.keys() - LESS:
        if path.startswith(("devices/", "cpu/custom")):
            # We name nothing that libvirt does not, but the models that its map lacks.
            assert told[path] - {"KnightsMill=no", "Denverton=no"} <= known[path], path
        else:
            assert told[path] == known[path], path
    models = {name.partition("=")[0] for name in told["cpu/custom"]}
    assert {name for name in known["cpu/custom"] if name.partition("=")[0] in models} <= told[
        "cpu/custom"
    ]


def summary(root: ET.Element) -> dict[str, set[str]]:
    """By path of an element: all values below it, and of CPU models whether they are usable."""
    found: dict[str, set[str]] = {}
    for part in root:
        if part.tag == "cpu":
            for mode in part:
                models = {f"{one.text}={one.get('usable')}" for one in mode.iterfind("model")}
                found[f"cpu/{mode.get('name')}"] = models or {mode.get("supported", "")}
        elif part.tag in ("devices", "features"):
            for one in part:
                found[f"{part.tag}/{one.tag}"] = values(one)
        else:
            found[part.tag] = values(part)
    return found


def values(element: ET.Element) -> set[str]:
    words = {one.text or "" for one in element.iter() if one.text and one.text.strip()}
    return words | {element.get("supported", "")}


# -- domains ---------------------------------------------------------------------------------------


async def test_a_domain_gets_another_name(conn: Connection, lifecycle: Lifecycle) -> None:
    await conn.define_xml(paused_guest_xml("taken"))
    dom = await conn.define_xml(paused_guest_xml("old"))
    await dom.set_autostart(True)
    await lifecycle.until(DomainEventType.DEFINED)
    await lifecycle.until(DomainEventType.DEFINED)
    for name, error in (
        ("taken", OperationInvalid),
        ("old", OperationInvalid),
        ("a/b", XmlError),
        ("", InvalidArg),
    ):
        with pytest.raises(error):
            await dom.rename(name)
    await dom.rename("new")
    assert await lifecycle.until(DomainEventType.DEFINED) == [
        "UNDEFINED RENAMED",
        "DEFINED RENAMED",
    ]
    with pytest.raises(NoDomain):
        await conn.lookup_by_name("old")
    found = await conn.lookup_by_name("new")
    assert found.uuid == dom.uuid
    assert "<name>new</name>" in await found.xml_desc()
    assert await found.autostart()


async def test_another_name_is_kept(root: Path) -> None:
    import virloom

    async with virloom.open(embedded(root)) as conn:
        dom = await conn.define_xml(paused_guest_xml("old"))
        await dom.rename("new")
    assert [path.name for path in (root / "etc/qemu").glob("*.xml")] == ["new.xml"]
    async with virloom.open(embedded(root)) as conn:
        assert [one.name for one in await conn.list_all_domains()] == ["new"]


async def test_firmware_variables_stay_with_a_domain(conn: Connection) -> None:
    """Their file is named after the domain; under a new name it must not begin anew."""
    document = paused_guest_xml("old").replace("<os>", "<os firmware='efi'>")
    assert "firmware='efi'" in document
    dom = await conn.define_xml(document)
    await dom.rename("new")
    path = ET.fromstring(await dom.xml_desc()).findtext("os/nvram", "")
    assert path.endswith("/old_VARS.fd")
    await dom.create(START_PAUSED)
    assert Path(path).exists()
    await dom.destroy()
    await dom.undefine(DomainUndefineFlagsValues.NVRAM)
    assert not Path(path).exists()


async def test_a_domain_that_runs_keeps_its_name(paused: PausedGuest) -> None:
    dom = await paused("web")
    with pytest.raises(OperationInvalid):
        await dom.rename("other")


async def test_what_follows_the_end_of_a_guest(conn: Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    await dom.set_lifecycle_action(DomainLifecycle.POWEROFF, DomainLifecycleAction.RESTART)
    assert "<on_poweroff>restart</on_poweroff>" in await dom.xml_desc()
    for end, action in (
        (DomainLifecycle.REBOOT, DomainLifecycleAction.DESTROY),  # not beside the one above
        (DomainLifecycle.POWEROFF, DomainLifecycleAction.PRESERVE),
        (DomainLifecycle.POWEROFF, DomainLifecycleAction.RESTART_RENAME),
        (DomainLifecycle.POWEROFF, DomainLifecycleAction.COREDUMP_DESTROY),
    ):
        with pytest.raises(ConfigUnsupported):
            await dom.set_lifecycle_action(end, action)
    for wrong in ((5, 0), (0, 9)):
        with pytest.raises(InvalidArg):
            await dom.set_lifecycle_action(*wrong)
    with pytest.raises(OperationInvalid):
        await dom.set_lifecycle_action(0, 0, LIVE)
    with pytest.raises(InvalidArg):
        await dom.set_lifecycle_action(0, 0, 8)


async def test_a_reboot_can_be_made_the_end(
    boot: BootGuest, conn: Connection, lifecycle: Lifecycle
) -> None:
    guest = await boot("web")
    end, action = DomainLifecycle.REBOOT, DomainLifecycleAction.DESTROY
    await guest.domain.set_lifecycle_action(end, action, LIVE)
    assert "<on_reboot>destroy</on_reboot>" in await guest.domain.xml_desc()
    with pytest.raises(OperationInvalid):
        await guest.domain.set_lifecycle_action(end, action, CONFIG)  # it has no configuration
    await guest.dialogue.tell("reboot -f")
    seen = await lifecycle.until(DomainEventType.STOPPED)
    assert seen[-2:] == ["SHUTDOWN GUEST", "STOPPED SHUTDOWN"]


async def test_whom_a_guest_runs_as(
    conn: Connection, endpoint: Endpoint, paused: PausedGuest
) -> None:
    idle = await conn.define_xml(paused_guest_xml("idle"))
    assert await idle.security_labels() == []
    dom = await paused("web")
    labels = [label.label for label in await dom.security_labels()]
    root = ET.fromstring(await conn.capabilities())
    models = [model.text for model in root.iterfind("host/secmodel/model")]
    base = [one.text for one in root.iterfind("host/secmodel/baselabel[@type='qemu']")]
    assert len(labels) == len(models)
    assert labels == ["", *base]


async def test_no_job_no_error_nothing_saved(
    conn: Connection, endpoint: Endpoint, paused: PausedGuest
) -> None:
    idle = await conn.define_xml(paused_guest_xml("idle"))
    for asked in (idle.jobs.info, idle.jobs.stats, idle.block.errors):
        with pytest.raises(OperationInvalid):
            await asked()
    completed = DomainGetJobStatsFlags.COMPLETED
    assert (await idle.jobs.stats(completed)).type == DomainJobType.NONE
    with pytest.raises(InvalidArg):
        await idle.jobs.stats(DomainGetJobStatsFlags.KEEP_COMPLETED)
    dom = await paused("web")
    assert (await dom.jobs.info()).type == DomainJobType.NONE
    assert (await dom.jobs.stats()).values == {}
    assert await dom.block.errors() == []
    assert await dom.snapshots.list() == []
    assert not await dom.snapshots.has_current()
    with pytest.raises(NoDomainSnapshot):
        await dom.snapshots.lookup("first")
    ref = NonnullDomain(dom.name, dom.uuid.bytes, -1)
    saved = await endpoint.call(
        d.DOMAIN_HAS_MANAGED_SAVE_IMAGE, d.DomainHasManagedSaveImageArgs(ref, 0)
    )
    assert saved.result == 0
