# SPDX-License-Identifier: Apache-2.0
"""Networks of an ordinary user's embedded root: in a user and network namespace, with dnsmasq."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.system.conftest import NOBODY
from virloom.testing.documents import paused_guest_xml

UserPython = Callable[[Sequence[str]], list[str]]

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("dnsmasq", path="/usr/sbin:/usr/bin") is None,
        reason="needs root, who becomes an ordinary user, and dnsmasq",
    ),
    pytest.mark.timeout(180),
]

MAC = "52:54:00:00:bb:01"
NETWORK = """<network><name>inner</name><forward mode='nat'/><bridge name='virbr77' stp='off'/>
<ip address='10.77.7.1' prefix='24'><dhcp><range start='10.77.7.2' end='10.77.7.9'/></dhcp></ip>
</network>"""
CARD = f"<interface type='network'><mac address='{MAC}'/><source network='inner'/>"
CARD += "<model type='virtio'/><bandwidth><inbound average='1000'/><outbound average='900'/>"
CARD += "</bandwidth><filterref filter='clean-traffic'/></interface>"

_SCRIPT = """
import asyncio, json, os, signal, sys
import virloom
from virloom.enums.domain import DomainCreateFlags
async def main(root, documents):
    async with virloom.open(f"qemu:///embed?root={{root}}") as conn:
        {body}
asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""
#: Nothing is told to anybody: what there is goes on by itself.
KILLED = """
        network = await conn.networks.define_xml(documents["network"])
        await network.create()
        await conn.create_xml(documents["paused"], DomainCreateFlags.START_PAUSED)
        print(await (await conn.lookup_by_name("plain")).xml_desc(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
ENDED = """
        network = await conn.networks.lookup_by_name("inner")
        print(await network.is_active(), await network.bridge_name())
        guest = await conn.lookup_by_name("plain")
        await guest.devices.attach(documents["card"].replace("bb:01", "bb:02"))
        print(await guest.xml_desc())
        print(sorted(one.port_dev for one in await conn.nwfilter_bindings.list()))
        await guest.destroy()
        print(await conn.nwfilter_bindings.list())
        print(sorted(os.listdir(f"{root}/run/qemu")))
        await network.destroy()
"""
ENDED_PLAIN = """
        network = await conn.networks.lookup_by_name("inner")
        await network.destroy()
        await network.undefine()
"""
LEASED = """
        from virloom.testing.dialogue import Dialogue
        from virloom.testing.documents import tiny_guest_xml
        network = await conn.networks.define_xml(documents["network"])
        await network.create()
        guest = await conn.create_xml(
            tiny_guest_xml("web", extra_devices=documents["card"]), DomainCreateFlags.START_PAUSED
        )
        async with guest.console() as console:
            await guest.resume()
            dialogue = Dialogue(console)
            await dialogue.ready()
            await dialogue.ask("busybox ifconfig eth0 up")
            await dialogue.ask("busybox udhcpc -q -n -t 20 -T 1 -i eth0 -s /bin/true", 60)
        async with asyncio.timeout(20):
            while not (leases := await network.dhcp_leases()):
                await asyncio.sleep(0.1)
        print(leases[0].mac)
        await guest.destroy()
        await network.destroy()
"""
#: A machine on the network asks one that is outside, and one that the host alone can reach.
OUT = """
        network = await conn.networks.define_xml(documents["network"])
        try:
            await network.create()
        except virloom.errors.VirloomError as error:
            return print(error)
        root = root.partition("&")[0]
        noted = json.load(open(f"{root}/run/network/space"))
        there = ["nsenter", "-t", str(noted["pid"]), "-U", "-n", "--preserve-credentials"]
        told = await (await asyncio.create_subprocess_exec(
            *there, "sh", "-c", documents["machine"], stdout=-1)).communicate()
        print(told[0].decode(), flush=True)
        if documents["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        await network.destroy()
"""
_MACHINE = """
ip link add near type veth peer name far; ip link set near master virbr77; ip link set near up
unshare --net sleep 60 & machine=$!
while [ $(readlink /proc/$machine/ns/net) = $(readlink /proc/self/ns/net) ]; do sleep 0.1; done
ip link set far netns $machine
inside="nsenter -t $machine --net"
$inside ip address add 10.77.7.5/24 dev far; $inside ip link set far up
$inside ip route add default via 10.77.7.1
for address in 203.0.113.2 203.0.113.1; do
    echo "$address: $(echo hello | $inside timeout 5 busybox nc $address 7777 | sort -u)"
done
kill $machine
"""
REACHED = ["203.0.113.2:", "outside", "203.0.113.1:"]
_HOST = "ip address add 203.0.113.1/24 dev eth0; ip link set eth0 up; "
_HOST += "ip route add default via 203.0.113.2"
_ANSWER = """
import socket, sys
server = socket.create_server((sys.argv[1], 7777))
print("ready", flush=True)
while True:
    with server.accept()[0] as connection:
        connection.recv(100)
        connection.sendall(b"outside\\n")
"""
_OUTSIDE = "ip address add 203.0.113.2/24 dev eth0; ip link set eth0 up"
FORBIDDEN = """
        network = await conn.networks.define_xml(documents["network"])
        try:
            await network.create()
        except virloom.errors.VirloomError as error:
            print(error)
"""


class User:
    """An ordinary user with a root."""

    def __init__(self, python: UserPython, root: Path) -> None:
        self._python = python
        self.root = root

    def run(
        self,
        body: str,
        *prefix: str,
        before: Sequence[str] = (),
        more: str = "",
        kill: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Runs lines of the script, in a process of their own.

        Args:
            before: What root's command line begins with.
            more: Parameters of the URI.
            kill: What the lines are told.
        """
        documents = {
            "network": NETWORK, "card": CARD, "machine": _MACHINE, "kill": kill,
            "paused": paused_guest_xml("plain", machine="pc", extra_devices=CARD),
        }  # fmt: skip
        place = f"{self.root}{more}"
        words = ["-c", _SCRIPT.format(body=body.strip()), place, json.dumps(documents)]
        *become, python = self._python([])
        return subprocess.run(
            [*before, *become, *prefix, python, *words],
            cwd="/", capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def processes(self) -> dict[int, str]:
        """What the user runs on the root, or holds."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                is_ours = place.stat().st_uid == NOBODY
            except OSError:
                continue
            if is_ours and (str(self.root) in words or "sleep infinity" in words):
                found[int(place.name)] = words
        return found


@pytest.fixture
def user(ordinary_user: UserPython) -> Iterator[User]:
    pyroute2 = pytest.importorskip("pyroute2")
    *_, home, _, path, _, _, _ = ordinary_user([])
    assert home.startswith("HOME=")
    sources = Path(path.removeprefix("PYTHONPATH="))
    if not (sources / "pyroute2").exists():
        shutil.copytree(Path(pyroute2.__file__).parent, sources / "pyroute2")
    root = Path(home.removeprefix("HOME=")) / "root"
    user = User(ordinary_user, root)
    before = user.processes()
    yield user
    shutil.rmtree(root)
    left = {pid: words for pid, words in user.processes().items() if pid not in before}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@contextmanager
def host_with_a_way_out() -> Iterator[NetworkNamespace]:
    """A host that reaches one machine, which answers, and has something of its own on that port."""
    with ExitStack() as stack:
        host, outside = (stack.enter_context(NetworkNamespace("true")) for _ in range(2))
        host.run(
            *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
            *("netns", str(outside.pid)),
        )
        host.run("sh", "-ec", _HOST)
        outside.run("sh", "-ec", _OUTSIDE)
        for space, address in ((outside, "203.0.113.2"), (host, "127.0.0.1")):
            command = [*space.prefix, sys.executable, "-c", _ANSWER, address]
            listener = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(listener.kill)
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"ready\n"
        yield host


def links() -> set[str]:
    """The links of this machine's own network."""
    return set(os.listdir("/sys/class/net"))


def test_networks_outlive_their_user_and_leave_nothing(user: User) -> None:
    before = links()
    killed = user.run(KILLED)
    assert killed.returncode == -9, killed.stderr
    assert "<source network='inner' portid=" in killed.stdout
    assert "<target dev='vnet0'/>" in killed.stdout
    assert any("dnsmasq" in words for words in user.processes().values())
    ended = user.run(ENDED)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("True virbr77\n")
    assert "<target dev='vnet1'/>" in ended.stdout
    assert "['vnet0', 'vnet1']\n[]\n" in ended.stdout  # filters of both cards
    assert "plain" not in ended.stdout.splitlines()[-1], "a record of what could not be given back"
    assert not (user.root / "run/network/space").exists()
    assert links() == before


def test_a_host_that_forbids_user_namespaces(user: User) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    told = user.run(
        FORBIDDEN,
        "unshare",
        "--user",
        "--map-current-user",
        "--keep-caps",
        "sh",
        "-c",
        forbid,
        "sh",
    )
    assert told.returncode == 0, told.stderr
    assert "cannot make a network namespace: unshare" in told.stdout
    assert "user.max_user_namespaces = 0, which forbids them" in told.stdout
    assert "<interface type='user'>" in told.stdout


@pytest.mark.skipif(shutil.which("pasta") is None, reason="pasta (passt) is not installed")
def test_a_way_out(user: User) -> None:
    with host_with_a_way_out() as host:
        killed = user.run(OUT, before=host.prefix, more="&network=pasta", kill=True)
        assert killed.returncode == -9, killed.stderr
        assert killed.stdout.split() == REACHED
        assert any("pasta" in words for words in user.processes().values())
        again = user.run(ENDED_PLAIN, before=host.prefix, more="&network=pasta")
        assert again.returncode == 0, again.stderr
        assert not any("pasta" in words for words in user.processes().values())
        whole = user.run(OUT, before=host.prefix, more="&network=pasta")
        assert (whole.returncode, whole.stdout.split()) == (0, REACHED), whole.stderr


@pytest.mark.skipif(shutil.which("pasta") is None, reason="pasta (passt) is not installed")
def test_a_host_without_a_way_out(user: User) -> None:
    with NetworkNamespace("true") as host:
        told = user.run(OUT, before=host.prefix, more="&network=pasta")
    assert told.returncode == 0, told.stderr
    assert "does not lead out of the root's network" in told.stdout


@pytest.mark.long
def test_a_guest_gets_a_lease(user: User) -> None:
    told = user.run(LEASED)
    assert (told.returncode, told.stdout) == (0, f"{MAC}\n"), told.stderr
