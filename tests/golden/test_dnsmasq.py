# SPDX-License-Identifier: Apache-2.0
"""What dnsmasq is told of a network: byte for byte what libvirt 9 writes, without its comments.

``dnsmasq/NAME.xml`` is a document of ours; the files beside it are those that libvirtd 9 made of
it (``tests/interop/test_same_dnsmasq.py``). A file that is missing is one that it did not
write or wrote without a word.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.dnsmasq.configuration import configuration
from virloom.drivers.network.dnsmasq.files import DnsmasqFiles
from virloom.drivers.network.dnsmasq.hosts import hosts_file, names_file
from virloom.errors import ConfigUnsupported

PLACE = Path(__file__).parent / "dnsmasq"
CASES = sorted(path.stem for path in PLACE.glob("*.xml"))


def recorded(name: str, kind: str) -> str:
    path = PLACE / f"{name}.{kind}"
    return path.read_text() if path.exists() else ""


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith("#"))


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 60
    assert sum(bool(recorded(name, "conf")) for name in CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_files(name: str) -> None:
    model = parse_network((PLACE / f"{name}.xml").read_text())
    files = DnsmasqFiles.of(name, NetworkDirectories.system(Path("/")))
    written = configuration(model, files)
    assert without_comments(written) == recorded(name, "conf")
    assert hosts_file(model) == recorded(name, "hostsfile")
    assert names_file(model) == recorded(name, "addnhosts")


#: Elements with a value that would be an option of dnsmasq's.
HOSTILE = (
    "<domain name='a&#10;log-dhcp'/>",
    "<dns><txt name='a' value='b&#10;log-dhcp'/></dns>",
    "<ip address='10.77.1.1'><tftp root='/srv&#10;log-dhcp'/></ip>",
    "<ip address='10.77.1.1'><dhcp><host name='a&#10;b' ip='10.77.1.5'/></dhcp></ip>",
    "<dns><host ip='10.77.1.5'><hostname>a&#10;b</hostname></host></dns>",
    # Not hostile: a zone of names has whole bytes.
    "<ip address='10.77.1.1' prefix='23' localPtr='yes'/>",
)


@pytest.mark.parametrize("body", HOSTILE)
def test_refused(body: str) -> None:
    model = parse_network(f"<network><name>n</name><bridge name='virbr7'/>{body}</network>")
    files = DnsmasqFiles.of("n", NetworkDirectories.system(Path("/")))
    with pytest.raises(ConfigUnsupported):
        (configuration(model, files), hosts_file(model), names_file(model))
