# SPDX-License-Identifier: Apache-2.0
"""What the golden cases cannot show: refusals, missing facts, what goes beside the arguments."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any

import pytest

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.capabilities import BinaryCaps, Machine
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.context import BuildContext, CommandLine, FileRequest
from virloom.drivers.qemu.command.files import plan_files
from virloom.errors import ConfigUnsupported, InternalError, OperationInvalid, VirloomError
from virloom.model.domain import Domain
from virloom.xml import parse_document

CAPS = BinaryCaps(
    path="/usr/bin/qemu-system-x86_64",
    version=(7, 2, 0),
    arch="x86_64",
    machines=[Machine("pc-q35-7.2", "q35", default_ram_id="pc.ram"), Machine("microvm")],
)


def domain(devices: str = "", *, machine: str = "q35", before: str = "", os_: str = "") -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>t</name><memory>1024</memory>"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type>{os_}</os>{before}"
        f"<devices>{devices}</devices></domain>",
    )


def line(dom: Domain, **facts: Any) -> CommandLine:
    chains: Mapping[str, tuple[ImageLayer, ...]] = facts.get("chains", {})
    files = {request.key: 50 + n for n, request in enumerate(plan_files(dom, chains))}
    context = {"guest_name": "t", "monitor_fd": 3, "lib_dir": "/lib", "files": files, **facts}
    return build(dom, CAPS, BuildContext(**context))


def values(command: CommandLine, option: str) -> list[str]:
    argv = command.argv
    return [value for name, value in itertools.pairwise(argv) if name == option]


def test_a_network_card_on_usb() -> None:
    """As libvirt 9.0.0 has it; without an address it refuses the document."""
    card = (
        "<controller type='usb' index='0' model='qemu-xhci'><alias name='usb'/>"
        "<address type='pci' domain='0' bus='0' slot='1' function='0'/></controller>"
        "<controller type='pci' index='0' model='pcie-root'><alias name='pcie.0'/></controller>"
        "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='usb-net'/>"
        "<alias name='net0'/><address type='usb' bus='0' port='1'/></interface>"
    )
    assert values(line(domain(card)), "-device")[-1] == (
        '{"driver":"usb-net","netdev":"hostnet0","id":"net0","mac":"52:54:00:11:22:33",'
        '"bus":"usb.0","port":"1"}'
    )


def test_a_key_of_ceph_is_handed_over_as_it_is() -> None:
    """QEMU encodes it; a cluster refuses one that is encoded twice."""
    disk = (
        "<disk type='network'><driver name='qemu' type='raw'/><auth username='u'>"
        "<secret type='ceph' usage='x'/></auth><source protocol='rbd' name='p/i' index='1'/>"
        "<target dev='vda' bus='virtio'/><alias name='a'/>"
        "<address type='pci' domain='0' bus='0' slot='1' function='0'/></disk>"
        "<controller type='pci' index='0' model='pcie-root'><alias name='pcie.0'/></controller>"
    )
    dom = domain(disk)
    source = dom.devices.disks[0].source
    chains = {"a": (ImageLayer("", "raw", kind="network", source=source),)}
    command = line(dom, chains=chains, secrets={"ceph:x": b"\x01key"})
    assert list(command.secrets.values()) == [b"\x01key"]


NETWORK_DISK = (
    "<disk type='network' device='disk'><source protocol='vxhs' name='v'/>"
    "<target dev='vda' bus='virtio'/><alias name='a'/></disk>"
)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("<graphics type='rdp'/>", "'rdp'"),
        ("<interface type='vdpa'><alias name='net0'/></interface>", "vdpa"),
        ("<controller type='xenbus' index='0'><alias name='x0'/></controller>", "xenbus"),
        ("<controller type='usb' index='0' model='x'><alias name='usb'/></controller>", "'x'"),
        (NETWORK_DISK, "'vxhs'"),
        (
            "<disk type='file' device='disk'><target dev='xa' bus='xen'/><alias name='a'/></disk>",
            "'xen'",
        ),
        ("<serial type='nmdm'><alias name='serial0'/></serial>", "nmdm"),
        ("<serial type='file'><alias name='serial0'/></serial>", "names no path"),
        ("<audio id='1' type='pipewire'/>", "pipewire"),
        ("<video><model type='xen'/><alias name='video0'/></video>", "'xen'"),
        ("<rng model='virtio'><alias name='rng0'/></rng>", "egd"),
        ("<panic model='pvpanic'/>", "pvpanic"),
        (
            "<channel type='null'><target type='guestfwd' address='1.2.3.4:5-cmd:sh' port='6'/>"
            "<alias name='channel0'/></channel>",
            "no IPv4 address",
        ),
        (
            "<controller type='pci' index='1' model='pcie-root-port'><model name='pxb'/>"
            "<alias name='pci.1'/></controller>",
            "'pxb'",
        ),
        ("<sound model='ich7'><alias name='sound0'/></sound>", "ich7"),
    ],
)
def test_what_is_not_supported_is_named(devices: str, words: str) -> None:
    with pytest.raises((ConfigUnsupported, InternalError), match=words):
        line(domain(devices))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("<cpu mode='host-passthrough'/>", "maximum"),
        ("<cpu mode='host-model'/>", "host-model"),
        ("<cpu><model>qemu64,x=on</model></cpu>", "x=on"),
        ("<cpu><model>qemu64</model><feature name='a,b'/></cpu>", "'a,b'"),
        ("<cpu><model vendor_id='Genuine,ntel'>qemu64</model></cpu>", "ntel"),
    ],
)
def test_what_is_not_supported_outside_devices(before: str, words: str) -> None:
    with pytest.raises(ConfigUnsupported, match=words):
        line(domain(before=before))


def test_a_machine_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigUnsupported, match=r"'vax'.*q35"):
        line(domain(machine="vax"))


def test_an_incomplete_domain_is_our_fault() -> None:
    with pytest.raises(InternalError, match="no alias"):
        line(domain("<memballoon model='virtio'/>"))
    device = (
        "<memballoon model='virtio'><alias name='b'/>"
        "<address type='pci' bus='0x05' slot='0x01' function='0'/></memballoon>"
    )
    with pytest.raises(InternalError, match="pci controller 5"):
        line(domain(device))


DISK = (
    "<disk type='file' device='disk'><driver type='{kind}'/><source file='/i'/>"
    "<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>"
)


def test_a_chain_that_nobody_looked_up_is_never_guessed() -> None:
    with pytest.raises(InternalError, match="'/i'"):
        line(domain(DISK.format(kind="qcow2")))


def test_nodes_of_a_chain() -> None:
    dom = domain(DISK.format(kind="qcow2"))
    chains = {"virtio-disk0": (ImageLayer("/i", "qcow2"), ImageLayer("/dev/b", "raw", block=True))}
    command = line(dom, chains=chains)
    nodes = command.nodes["virtio-disk0"]
    assert nodes.top == "libvirt-1-format"
    assert nodes.layers == (
        ("libvirt-1-format", "libvirt-1-storage"),
        ("libvirt-2-format", "libvirt-2-storage"),
    )
    assert (nodes.indexes, command.next_node) == ((1, 2), 3)
    assert command.fdsets == {"virtio-disk0.image1": 0, "virtio-disk0.image0": 1}
    assert command.next_fdset == 2
    storage = values(command, "-blockdev")[0]
    assert '"host_device"' in storage
    assert '"read-only":true' in storage


def test_an_empty_drive_has_a_number_and_no_node() -> None:
    drive = (
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><alias name='sata0-0-0'/>"
        "<address type='drive' controller='0' unit='0'/></disk>"
        "<controller type='sata' index='0'><alias name='ide'/></controller>"
    )
    command = line(domain(drive))
    assert command.nodes["sata0-0-0"] == ("sata0-0-0", None, (), (1,))
    assert values(command, "-blockdev") == []


def test_display_passwords_stay_off_the_command_line() -> None:
    command = line(domain("<graphics type='vnc' port='5901' passwd='s3cret'/>"))
    assert values(command, "-vnc") == ["127.0.0.1:1,password=on"]
    assert command.passwords == {"vnc": "s3cret"}
    assert not any("s3cret" in argument for argument in command.argv)


def test_what_only_the_monitor_can_set() -> None:
    devices = (
        "<interface type='user'><link state='down'/><alias name='net0'/></interface>"
        "<interface type='user'><link state='up'/><alias name='net1'/></interface>"
        "<memballoon model='virtio'><stats period='5'/><alias name='balloon0'/></memballoon>"
        "<graphics type='vnc' port='5901' passwd='x' passwdValidTo='1970-01-02T00:00:00'/>"
    )
    assert line(domain(devices)).commands == [
        ("set_link", {"name": "net0", "up": False}),
        (
            "qom-set",
            {
                "path": "/machine/peripheral/balloon0",
                "property": "guest-stats-polling-interval",
                "value": 5,
            },
        ),
        ("expire_password", {"protocol": "vnc", "time": "86400"}),
    ]


@pytest.mark.parametrize("port", ["", "port='-1'", "port='80'"])
def test_a_display_needs_a_port(port: str) -> None:
    with pytest.raises(ConfigUnsupported, match="autoport"):
        line(domain(f"<graphics type='vnc' {port}/>"))


def test_a_display_socket_of_any_name() -> None:
    command = line(domain("<graphics type='vnc' socket='/a=b,c d'/>"))
    assert values(command, "-vnc") == ["vnc=unix:/a=b,,c d"]


def test_standard_output_is_for_the_foreground_only() -> None:
    dom = domain("<serial type='stdio'><alias name='serial0'/></serial>")
    with pytest.raises(OperationInvalid, match="virloom run"):
        line(dom)
    assert "stdio,id=charserial0" in values(line(dom, stdio=True), "-chardev")


def test_a_socket_that_we_bound_is_passed_as_a_descriptor() -> None:
    channel = (
        "<channel type='unix'><target type='virtio' name='a,b/c'/>"
        "<alias name='channel0'/></channel>"
    )
    ours = line(domain(channel), sockets={"channel0": 9})
    assert "socket,id=charchannel0,fd=9,server=on,wait=off" in values(ours, "-chardev")
    theirs = line(domain(channel))
    expected = "socket,id=charchannel0,path=/lib/a,,b_c,server=on,wait=off"
    assert expected in values(theirs, "-chardev")


def test_the_clock_of_another_zone_is_in_the_environment() -> None:
    command = line(domain(before="<clock offset='timezone' timezone='Europe/Berlin'/>"))
    assert command.environment == {"TZ": "Europe/Berlin"}
    assert values(command, "-rtc") == ["base=localtime"]


def test_a_clock_with_an_adjustment_starts_now() -> None:
    clock = "<clock offset='variable' adjustment='-10' basis='utc'/>"
    assert values(line(domain(before=clock), now=20.0), "-rtc") == ["base=1970-01-01T00:00:10"]


@pytest.mark.parametrize("adjustment", ["253402300800", str((1 << 63) - 1), str(-(1 << 63))])
def test_a_clock_has_a_year_of_four_digits(adjustment: str) -> None:
    clock = f"<clock offset='variable' adjustment='{adjustment}' basis='localtime'/>"
    with pytest.raises(ConfigUnsupported, match="cannot start"):
        line(domain(before=clock))


def test_memory_is_whole_mebibytes() -> None:
    dom = domain()
    dom.memory = 1025
    assert values(line(dom), "-m") == ["2"]
    assert '"size":2097152' in values(line(dom), "-object")[0]


def test_no_sandbox_when_it_is_not_wanted() -> None:
    assert values(line(domain()), "-sandbox")[0].startswith("on,")
    assert values(line(domain(), seccomp=False), "-sandbox") == ["off"]


def test_the_emulator_of_the_document() -> None:
    assert line(domain("<emulator>/opt/qemu</emulator>")).argv[0] == "/opt/qemu"
    assert line(domain()).argv[0] == CAPS.path


def test_files_in_the_order_of_their_use() -> None:
    boot = "<kernel>/k</kernel><initrd>/r</initrd>"
    serial = (
        "<serial type='file'><source path='/out' append='on'/><log file='/log' append='off'/>"
        "<alias name='serial0'/></serial>"
    )
    requests = plan_files(domain(serial, os_=boot))
    assert requests == [
        FileRequest("kernel", "/k", "r", reopened=True),
        FileRequest("initrd", "/r", "r", reopened=True),
        FileRequest("serial0.file", "/out", "w", create=True, log=True),
        FileRequest("serial0.log", "/log", "w", create=True, truncate=True, log=True),
    ]
    truncating = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY
    assert requests[3].flags == truncating
    assert FileRequest("x", "/x", "rw").flags == os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY


def test_every_refusal_is_an_error_of_ours() -> None:
    """No document that parses makes the builder fail in another way than with our errors."""
    for devices in ("<disk/>", "<interface/>", "<serial/>", "<channel/>", "<input/>", "<hub/>"):
        with pytest.raises(VirloomError):
            line(domain(devices))


def test_limits_of_a_disk_are_set_through_the_monitor() -> None:
    dom = domain(
        "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>"
        "<iotune><read_bytes_sec>5</read_bytes_sec><read_bytes_sec_max>9</read_bytes_sec_max>"
        "<read_bytes_sec_max_length>2</read_bytes_sec_max_length>"
        "<size_iops_sec>512</size_iops_sec></iotune><alias name='virtio-disk0'/></disk>"
    )
    ((name, arguments),) = line(dom).commands
    assert name == "block_set_io_throttle"
    assert arguments["id"] == "/machine/peripheral/virtio-disk0/virtio-backend"
    wanted = {"bps_rd": 5, "bps_rd_max": 9, "bps_rd_max_length": 2, "iops_size": 512, "bps": 0}
    assert {key: arguments[key] for key in wanted} == wanted
    assert "group" not in arguments  # QEMU names it after the disk
