# SPDX-License-Identifier: Apache-2.0
"""A real dnsmasq with our files and our lease helper: a client gets an address and a name.

All of it is in network namespaces of the test's own: the bridge's, and the client's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.dnsmasq.configuration import configuration
from virloom.drivers.network.dnsmasq.files import DnsmasqFiles, leases_file
from virloom.drivers.network.dnsmasq.hosts import hosts_file, names_file
from virloom.drivers.network.leases import read_leases
from virloom.model.network import Network

PROGRAMS = ("dnsmasq", "ip", "busybox", "unshare", "nsenter")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root and {', '.join(PROGRAMS)}",
)

MAC = "52:54:00:00:77:01"
DOCUMENT = f"""<network><name>real</name><forward mode='nat'/><bridge name='virbr7'/>
<domain name='example.org' localOnly='yes'/>
<dns><host ip='10.77.1.9'><hostname>other</hostname></host></dns>
<ip address='10.77.1.1' prefix='24'><dhcp><range start='10.77.1.2' end='10.77.1.254'/>
<host mac='{MAC}' name='one' ip='10.77.1.5'/></dhcp></ip></network>"""

#: The client comes twice: the second dnsmasq knows of leases what the helper tells it.
SCRIPT = """
unshare --net sleep 60 & client=$!
trap 'kill $client; test -z "$server" || kill $server' EXIT
until [ "$(readlink /proc/$client/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link set lo up
ip link add virbr7 type bridge
ip link add inside type veth peer name eth0 address {mac} netns $client
ip link set inside master virbr7 up
ip addr add 10.77.1.1/24 dev virbr7
ip link set virbr7 up
in_client="nsenter --net --target $client"
$in_client ip link set eth0 up
for time in first second; do
    dnsmasq --keep-in-foreground --conf-file={conf} --leasefile-ro --dhcp-script={helper} &
    server=$!
    $in_client busybox udhcpc -f -n -q -t 20 -T 1 -A 1 -i eth0 -s {client} 2> /dev/null
    $in_client ip addr replace 10.77.1.5/24 dev eth0
    $in_client busybox nslookup -type=a other.example.org 10.77.1.1
    kill $server; wait $server || true; server=
done
"""


@pytest.fixture
def directories() -> Iterator[NetworkDirectories]:
    """Those of a root that dnsmasq's own user can reach."""
    root = Path(tempfile.mkdtemp(prefix="dm"))
    root.chmod(0o755)
    made = NetworkDirectories.system(root)
    made.make()
    try:
        yield made
    finally:
        shutil.rmtree(root)


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run(model: Network, directories: NetworkDirectories) -> str:
    """Writes what dnsmasq reads, and has the client come; what it prints."""
    files = DnsmasqFiles.of(model.name, directories)
    files.configuration.write_text(configuration(model, files))
    files.hosts.write_text(hosts_file(model))
    files.names.write_text(names_file(model))
    place, module = directories.dnsmasq, "virloom.drivers.network.dnsmasq.lease_helper"
    helper = program(place / "helper", f'exec {sys.executable} -m {module} {place} virbr7 "$@"')
    client = program(place / "client", 'test "$1" != bound || echo "$1 $ip/$mask $domain $router"')
    script = SCRIPT.format(mac=MAC, conf=files.configuration, helper=helper, client=client)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-euc", f"server=\n{script}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_client_gets_address_and_name(directories: NetworkDirectories) -> None:
    model = parse_network(DOCUMENT)
    out = run(model, directories)
    assert out.count("bound 10.77.1.5/24 example.org 10.77.1.1") == 2
    assert out.count("10.77.1.9") == 2
    (lease,) = read_leases(leases_file("virbr7", directories), MAC)
    assert (lease.address, lease.hostname) == ("10.77.1.5", "one")
