# SPDX-License-Identifier: Apache-2.0
"""Networks, interfaces, filters, devices and secrets on the command line, beside virsh."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.reference import Libvirtd
from tests.interop.side_by_side import (
    VIRLOOM,
    Told,
    assert_same,
    lines_of,
    needs_virsh,
    place_with,
    run,
)

pytestmark = needs_virsh

_SECRET = "11111111-2222-3333-4444-0000000000c1"
_FILES = {
    "bad.xml": "<bad\n",
    "n.xml": (
        "<network><name>n</name><uuid>11111111-2222-3333-4444-0000000000a1</uuid>"
        "<bridge name='vlbr9'/><mac address='52:54:00:00:aa:aa'/>"
        "<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>"
        "<range start='192.168.122.2' end='192.168.122.9'/></dhcp></ip></network>"
    ),
    "bridge.xml": "<network><name>b</name><forward mode='bridge'/><bridge name='vlbrx'/></network>",
    "host.xml": "<host mac='52:54:00:00:00:01' ip='192.168.122.10'/>",
    "dns.xml": "<host ip='1.2.3.4'><hostname>a</hostname></host>",
    "port.xml": (
        "<networkport><uuid>5d744f21-ba4a-4d6e-bdb2-30a35ff3207d</uuid><owner><name>g</name>"
        "<uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner>"
        "<mac address='52:54:00:7b:35:93'/></networkport>"
    ),
    "i.xml": (
        "<interface type='ethernet' name='i0'><start mode='none'/>"
        "<mac address='aa:bb:cc:dd:ee:fa'/></interface>"
    ),
    "filter.xml": (
        "<filter name='f' chain='root'><uuid>11111111-2222-3333-4444-0000000000d1</uuid>"
        "<rule action='drop' direction='in' priority='500'><tcp/></rule></filter>"
    ),
    "binding.xml": (
        "<filterbinding><owner><name>g</name><uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid>"
        "</owner><portdev name='lo'/><mac address='52:54:00:00:00:01'/>"
        "<filterref filter='f'/></filterbinding>"
    ),
    "secret.xml": (
        f"<secret ephemeral='no' private='no'><uuid>{_SECRET}</uuid>"
        "<usage type='volume'><volume>/v</volume></usage></secret>"
    ),
    "hidden.xml": (
        "<secret ephemeral='yes' private='yes'>"
        "<uuid>11111111-2222-3333-4444-0000000000c2</uuid></secret>"
    ),
    "plain": "aGVs\n",
    "rename": '#!/bin/sh\nsed -i "s#virbr0#virbr7#" "$1"\n',
    "break": '#!/bin/sh\necho "<bad" >"$1"\n',
    "fail": "#!/bin/sh\nexit 3\n",
}

_LEASES = [
    {"ip-address": ip, "mac-address": f"52:54:00:00:00:0{mac}", "expiry-time": expiry, **more}
    for ip, mac, expiry, more in (
        ("192.168.122.9", 9, 1895658400, {"hostname": "zed", "client-id": "01:52:54"}),
        ("192.168.122.10", 1, 1895658400, {}),
        ("192.168.122.2", 9, 1895658400, {"hostname": "alpha"}),
        ("fd00::2", 5, 1895658500, {"iaid": "5", "hostname": "x", "client-id": "00:04"}),
        ("192.168.122.3", 2, 0, {}),
    )
]

#: On the test driver, whose state begins anew with each line.
_LINES = lines_of("network", "interface", "absent")

#: On the drivers of the host, one after the other.
_HOST_LINES = lines_of("host_objects")

_EDITS = (
    ("true", "net-edit default; net-edit nix; iface-edit eth1; iface-edit nix"),
    ("true", "net-edit dd8fe884-6c02-601e-7551-cca97df1c5df; nwfilter-edit f"),
    ("rename", "net-edit default; net-destroy default; net-start default; net-dumpxml default"),
    ("fail", "net-edit default"),
    ("fail 'a b'", "net-edit default"),
    ("no-such-editor", "net-edit default"),
    ("", "net-edit default"),
)

#: Each brings the same event every time.
_STOPPED = "net-destroy default"
_CHANGED = f"secret-set-value {_SECRET} YQ=="
_WATCHED = (
    ("test", "net-event --event lifecycle; net-name x", _STOPPED),
    ("test", "net-event nix --event lifecycle --timestamp", _STOPPED),
    ("test", "net-event default --event lifecycle --timeout 30", _STOPPED),
    ("host", f"secret-event {_SECRET} --event value-changed --timeout 30", _CHANGED),
    ("host", "secret-event --event lifecycle", "secret-define secret.xml"),
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with place_with(_FILES) as path:
        yield path


@pytest.fixture(scope="module")
def libvirtd(directory: Path) -> Iterator[Libvirtd]:
    with Libvirtd(directory).running() as libvirtd:
        yield libvirtd


@pytest.fixture(scope="module")
def tested(libvirtd: Libvirtd) -> str:
    return f"test+unix:///default?socket={libvirtd.socket}"


@pytest.mark.parametrize("line", _LINES)
def test_line_on_the_test_driver(line: str, tested: str, directory: Path) -> None:
    assert_same(tested, line, directory)


@pytest.fixture(scope="module")
def host(libvirtd: Libvirtd, directory: Path) -> str:
    """The host's drivers, with a filter and a secret."""
    made = "nwfilter-define filter.xml; secret-define secret.xml"
    run("virsh", libvirtd.uri, made, directory)
    return libvirtd.uri


@pytest.mark.parametrize("line", _HOST_LINES)
def test_line_on_the_hosts_drivers(line: str, host: str, directory: Path) -> None:
    _assert_same_by_processes(host, line, directory, EDITOR="true", VISUAL="true")


def _assert_same_by_processes(uri: str, line: str, directory: Path, **settings: str) -> None:
    """For what a process has one of: its input, bytes on its output, its time zone."""
    theirs = run("virsh", uri, line, directory, **settings)
    assert run(VIRLOOM, uri, line, directory, **settings) == theirs


def test_leases(host: str, libvirtd: Libvirtd, directory: Path) -> None:
    """As dnsmasq's helper keeps them, for a network that has been defined."""
    run("virsh", host, "net-define n.xml", directory)
    # What it sees as its own file system.
    top = Path("/proc", str(libvirtd.process.pid), "root")
    kept = top / "var/lib/libvirt/dnsmasq"
    kept.mkdir(exist_ok=True)
    (kept / "vlbr9.status").write_text(json.dumps(_LEASES))
    line = "net-dhcp-leases n; net-dhcp-leases n 52:54:00:00:00:09; net-dhcp-leases n --mac x"
    _assert_same_by_processes(host, line, directory, TZ="America/New_York")
    run("virsh", host, "net-undefine n", directory)


@pytest.mark.parametrize(("editor", "line"), _EDITS)
def test_editing(editor: str, line: str, tested: str, directory: Path) -> None:
    program = str(directory / editor) if editor.split(" ")[0] in _FILES else editor
    assert_same(tested, line, directory, EDITOR=program, VISUAL=program)


def test_edit_that_cannot_be_saved_is_a_failure(tested: str, directory: Path) -> None:
    """virsh says that "Network (null)" was edited."""
    editor = str(directory / "break")
    told = run(VIRLOOM, tested, "net-edit default", directory, VISUAL=editor)
    assert (told.code, told.output) == (1, "\n")
    assert "(network_definition)" in told.errors


@pytest.mark.parametrize(("where", "line", "action"), _WATCHED)
def test_events(
    where: str, line: str, action: str, tested: str, host: str, directory: Path
) -> None:
    uri = tested if where == "test" else host
    theirs = _watched("virsh", uri, line, action, directory)
    ours = _watched(VIRLOOM, uri, line, action, directory)
    assert ours == theirs
    assert "events received: 0" not in ours.output


#: virsh's own complaint where another event is on its way as it ends.
_LEAKED = "error: One or more references were leaked after disconnect from the hypervisor\n"


def _watched(program: str | Path, uri: str, line: str, action: str, directory: Path) -> Told:
    """What is told of a line while something happens again and again."""
    again = 'while :; do virsh -c "$0" "$1"; sleep 0.2; done'
    with subprocess.Popen(
        ["sh", "-c", again, uri, action],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            told = run(program, uri, line, directory)
        finally:
            process.kill()
    return told._replace(errors=told.errors.replace(_LEAKED, ""))


def test_interrupt_ends_the_wait_and_not_the_line(tested: str) -> None:
    with subprocess.Popen(
        [VIRLOOM, "-c", tested,
         "net-list --name; net-event --event lifecycle --timeout 60; net-list --name"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while process.stdout.readline() != "default\n":  # it is connected, and at work
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert output.lstrip() == "event loop interrupted\nevents received: 0\n\ndefault\n\n"
    assert process.returncode == 0


def test_names_are_a_list_in_json(tested: str) -> None:
    line = "net-list --name"
    told = subprocess.run(
        [VIRLOOM, "-o", "json", "-c", tested, line], capture_output=True, text=True, timeout=60
    )
    assert told.stdout == '[{"name": "default"}]\n'
