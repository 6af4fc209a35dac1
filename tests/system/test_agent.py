# SPDX-License-Identifier: Apache-2.0
"""QEMU's own agent in a real guest, and guests whose agents are dead or hostile."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.fakes.guest_agent import (
    PORT,
    agent_guest_xml,
    initial_file_system,
    prepare,
    program,
    start_agent,
)
from tests.system.conftest import Lifecycle
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import AgentLifecycleEvent
from virloom.drivers.qemu.process.steps import observed
from virloom.enums.domain import (
    ConnectDomainEventAgentLifecycleReason as Reason,
)
from virloom.enums.domain import (
    ConnectDomainEventAgentLifecycleState as State,
)
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventType,
    DomainInterfaceAddressesSource,
    DomainShutdownFlagValues,
    DomainState,
    DomainVcpuFlags,
)
from virloom.enums.snapshot import DomainSnapshotCreateFlags
from virloom.errors import (
    AgentUnresponsive,
    ArgumentUnsupported,
    InternalError,
    InvalidArg,
    OperationInvalid,
    OperationUnsupported,
    VirloomError,
)
from virloom.testing.dialogue import Dialogue

AGENT = DomainShutdownFlagValues.GUEST_AGENT


@pytest.fixture(scope="session")
def initrd(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initial file system with the agent; without one here the tests are skipped."""
    try:
        program()
    except VirloomError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have what guests need: {error.message}")
        pytest.skip(error.message)
    return initial_file_system(tmp_path_factory.mktemp("agent"))


class Guest:
    """A guest that reads lines, and what is heard of its agent."""

    def __init__(self, domain: Domain, dialogue: Dialogue, heard: Any) -> None:
        self.domain = domain
        self.dialogue = dialogue
        self._heard = heard

    async def agent_event(self) -> tuple[int, int]:
        """The next event of the agent: state and reason."""
        async with asyncio.timeout(30):
            async for event in self._heard:
                if isinstance(event, AgentLifecycleEvent):
                    return event.state, event.reason
        raise AssertionError("the events ended")

    async def start_agent(self, options: str = "") -> None:
        """Starts the agent, and waits until it has opened its port."""
        await start_agent(self.dialogue, options)
        assert await self.agent_event() == (State.CONNECTED, Reason.CHANNEL)


Boot = Callable[..., Awaitable[Guest]]


@pytest.fixture
async def guest_with(conn: Connection, initrd: Path) -> AsyncIterator[Boot]:
    """Boots a guest with an agent's port: ``await guest_with(vcpus=2)``."""
    async with AsyncExitStack() as open_things:

        async def start(machine: str = "microvm", **options: Any) -> Guest:
            heard = conn.events()
            await heard.start()
            open_things.push_async_callback(heard.close)
            document = agent_guest_xml("agent", initrd, machine=machine, **options)
            domain = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
            console = await open_things.enter_async_context(domain.console())
            await domain.resume()
            guest = Guest(domain, Dialogue(console), heard)
            await guest.dialogue.ready()
            assert await guest.agent_event() == (State.DISCONNECTED, Reason.DOMAIN_STARTED)
            return guest

        yield start


async def _port_state(domain: Domain) -> str | None:
    match = re.search(r"guest_agent\.0' state='(\w+)'", await domain.xml_desc())
    return match and match[1]


async def test_a_port_that_nobody_has_opened(guest_with: Boot) -> None:
    guest = await guest_with()
    assert await _port_state(guest.domain) == "disconnected"
    for call in (guest.domain.agent.time, guest.domain.agent.freeze, guest.domain.cpu.guest_vcpus):
        with pytest.raises(AgentUnresponsive, match="QEMU guest agent is not connected"):
            await call()
    await guest.domain.suspend()
    with pytest.raises(OperationInvalid, match="domain is not running"):
        await guest.domain.agent.time()


async def test_a_guest_without_a_port(conn: Connection, boot: Any) -> None:
    guest = await boot("plain", machine="microvm")
    with pytest.raises(ArgumentUnsupported, match="QEMU guest agent is not configured"):
        await guest.domain.agent.hostname()
    with pytest.raises(ArgumentUnsupported, match="QEMU guest agent is not configured"):
        await guest.domain.shutdown(AGENT)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_quiesced_snapshot(guest_with: Boot, tmp_path: Path, fails: bool) -> None:
    """The agent's own hook sees the freeze and the thaw, also of a snapshot that fails."""
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(1 << 20)
    guest = await guest_with(disks=(disk,))
    await guest.dialogue.ask(
        "/bin/busybox mkdir -p /run; echo '#!/bin/sh' > /run/hook; "
        "echo 'echo $1 >> /run/hooked' >> /run/hook; /bin/busybox chmod 755 /run/hook"
    )
    await guest.start_agent("-F/run/hook")
    flags = DomainSnapshotCreateFlags.DISK_ONLY | DomainSnapshotCreateFlags.QUIESCE

    def fail(step: str) -> None:
        if fails and step == "snapshot-live-switching":
            raise InternalError("as ordered")

    wanted = pytest.raises(InternalError, match="as ordered") if fails else nullcontext()
    with observed(fail), wanted:
        await guest.domain.snapshots.create(
            "<domainsnapshot><name>one</name></domainsnapshot>", flags
        )
    assert (await guest.dialogue.ask("/bin/busybox cat /run/hooked")).split() == ["freeze", "thaw"]
    assert "frozen" not in await guest.domain.agent.command({"execute": "guest-fsfreeze-status"})
    assert ("disk.one" in await guest.domain.xml_desc()) is not fails


async def test_what_the_agent_says(guest_with: Boot, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    guest = await guest_with(machine="q35", vcpus=2, disks=(disk,))
    await guest.start_agent()
    assert await _port_state(guest.domain) == "connected"
    agent, cpu = guest.domain.agent, guest.domain.cpu
    assert await agent.command({"execute": "guest-ping"}) == '{"return":{}}'
    with pytest.raises(InternalError, match="The command guest-dance has not been found"):
        await agent.command({"execute": "guest-dance"})
    with pytest.raises(InternalError, match="cannot parse json"):
        await agent.command("{")
    with pytest.raises(InvalidArg, match="less than the minimum '-2'"):
        await agent.set_response_timeout(-3)
    assert abs((await agent.time()).seconds - float(await guest.dialogue.ask("date +%s"))) < 5
    await guest.dialogue.ask("hostname tiny")
    assert await agent.hostname() == "tiny"
    source = DomainInterfaceAddressesSource.AGENT
    assert [one.name for one in await guest.domain.interfaces.addresses(source)] == ["lo"]

    info = await agent.guest_info()
    assert info["hostname"] == "tiny"
    assert info["os.id"] == "tiny"
    assert info["disk.0.alias"] == "vda"
    assert info["user.count"] == 0
    with pytest.raises(InvalidArg, match="unsupported guest information types '0x100'"):
        await agent.guest_info(0x100)

    assert await agent.file_systems() == []
    assert await agent.freeze() == 0
    assert await agent.thaw() == 0
    await agent.trim()

    everything = {"vcpus": "0-1", "online": "0-1", "offlinable": "1"}
    assert await cpu.guest_vcpus() == everything
    await cpu.set_guest_vcpus("1", False)
    assert (await cpu.guest_vcpus())["online"] == "0"
    with pytest.raises(InvalidArg, match="guest is missing vCPUs '5'"):
        await cpu.set_guest_vcpus("5", True)
    with pytest.raises(OperationUnsupported, match="vCPU '0' is not offlinable"):
        await cpu.set_guest_vcpus("0", False)
    await cpu.set_count(2, DomainVcpuFlags.GUEST)
    assert await cpu.guest_vcpus() == everything

    await agent.set_ssh_keys("root", ["ssh-rsa AAAA a", "ssh-rsa BBBB b"])
    await agent.set_ssh_keys("root", ["ssh-rsa AAAA a"], 2)
    assert await agent.ssh_keys("root") == ["ssh-rsa BBBB b"]


async def test_what_the_agent_does_by_programs_of_the_guest(guest_with: Boot) -> None:
    guest = await guest_with()
    await prepare(guest.dialogue)
    for name, words in (("chpasswd", "cat > /said"), ("hwclock", 'echo "$@" > /clock')):
        script = f"printf '#!/bin/sh\\n{words}\\n' > /bin/{name}; chmod 755 /bin/{name}"
        await guest.dialogue.ask(f"rm -f /bin/{name} /sbin/{name}; {script}; cp /bin/{name} /sbin/")
    await guest.start_agent()
    await guest.domain.agent.set_user_password("root", "s3cret ä")
    assert await guest.dialogue.ask("cat /said") == "root:s3cret ä\n"
    await guest.domain.agent.set_time(1_700_000_000, 5)
    assert (await guest.dialogue.ask("date +%s")).startswith("1700000")


@pytest.mark.long
async def test_reboot_and_shutdown(guest_with: Boot, lifecycle: Lifecycle) -> None:
    guest = await guest_with(machine="q35")
    for act, word in ((guest.domain.reboot, "reboot"), (guest.domain.shutdown, "poweroff")):
        script = f"#!/bin/sh\\nexec busybox {word} -f\\n"
        await guest.dialogue.ask(f"mkdir -p /sbin; printf '{script}' > /sbin/shutdown")
        await guest.dialogue.ask("chmod 755 /sbin/shutdown")
        await guest.start_agent()
        await act(AGENT)
        if word == "reboot":
            assert await guest.agent_event() == (State.DISCONNECTED, Reason.CHANNEL)
            await guest.dialogue.ready()
    seen = await lifecycle.until(DomainEventType.STOPPED)
    assert seen[-2:] == ["SHUTDOWN GUEST", "STOPPED SHUTDOWN"]


async def test_without_an_agent_the_button_is_pressed(
    guest_with: Boot, lifecycle: Lifecycle
) -> None:
    guest = await guest_with(machine="q35")
    with pytest.raises(AgentUnresponsive):
        await guest.domain.shutdown(AGENT)
    await guest.domain.shutdown()
    assert (await lifecycle.until(DomainEventType.STOPPED))[-1] == "STOPPED SHUTDOWN"


async def test_a_dead_agent_blocks_nobody(guest_with: Boot) -> None:
    guest = await guest_with()
    await guest.dialogue.ask(f"(sleep 1000 < $(echo {PORT}) &)")
    assert await guest.agent_event() == (State.CONNECTED, Reason.CHANNEL)
    await guest.domain.agent.set_response_timeout(1)
    asked = asyncio.create_task(guest.domain.agent.time())
    waiting = asyncio.create_task(guest.domain.agent.hostname())
    await asyncio.wait([asked], timeout=0.1)
    async with asyncio.timeout(0.8):
        await guest.domain.suspend()
        await guest.domain.resume()
        assert (await guest.domain.state()).state == DomainState.RUNNING
    for call in (asked, waiting):
        with pytest.raises(AgentUnresponsive, match="Guest agent not available for now"):
            await call


async def test_a_hostile_agent_is_cut_off(guest_with: Boot) -> None:
    guest = await guest_with()
    await guest.dialogue.ask(f"(cat /dev/zero > $(echo {PORT}) &)")
    assert await guest.agent_event() == (State.CONNECTED, Reason.CHANNEL)
    asked = asyncio.create_task(guest.domain.agent.time())
    for _ in range(20):
        async with asyncio.timeout(1):
            await guest.domain.state()
    with pytest.raises(AgentUnresponsive, match=r"the guest sent|not available for now"):
        await asked
    await guest.domain.destroy()


OWNER = """
import asyncio, os, sys
import virloom
from tests.fakes.guest_agent import start_agent
from virloom.testing.dialogue import Dialogue

async def main():
    conn = await virloom.open(f"qemu:///embed?root={sys.argv[1]}")
    dom = await conn.create_xml(open(sys.argv[2]).read(), 1)
    async with dom.console() as console:
        await dom.resume()
        dialogue = Dialogue(console)
        await dialogue.ready()
        heard = conn.events()
        await heard.start()
        await start_agent(dialogue)
        async for event in heard:
            if type(event).__name__ == "AgentLifecycleEvent" and event.state == 1:
                break
        assert await dom.agent.command('{"execute":"guest-ping"}')
        await dom.agent.set_response_timeout(7)
        asyncio.ensure_future(dom.agent.time())
        await dom.state()
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


async def test_an_agent_outlives_the_owner(root: Path, initrd: Path, tmp_path: Path) -> None:
    document = tmp_path / "agent.xml"
    document.write_text(agent_guest_xml("agent", initrd, machine="microvm"))
    owner = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", OWNER, str(root), str(document)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=Path(__file__).parents[2],
    )
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    record = json.loads(next((root / "run" / "qemu").glob("*.json")).read_text())
    assert record["runtime"]["agent_timeout"] == 7
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        (dom,) = await conn.list_all_domains(1)
        assert await _port_state(dom) == "connected"
        assert await dom.agent.command({"execute": "guest-ping"}) == '{"return":{}}'
        await dom.destroy()
