# SPDX-License-Identifier: Apache-2.0
"""Documents of pools, right and wrong, and pairs of which the second would be the first's storage.

``tests/golden/pools/libvirt.json`` has what libvirt 9 makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

UUID = "11111111-2222-3333-4444-{:012d}"
MODES = "<permissions><mode>{}</mode><owner>{}</owner><group>{}</group></permissions>"


def named(text: str, number: int = 1) -> str:
    """A document of those below, with the name and the UUID of that number."""
    return text.replace("@", f"<name>pool{number}</name><uuid>{UUID.format(number)}</uuid>")


def pool(kind: str, source: str = "", target: str = "", more: str = "", attrs: str = "") -> str:
    """A pool's document; its name and UUID are put in later."""
    source = f"<source>{source}</source>" if source else ""
    target = f"<target>{target}</target>" if target else ""
    return f"<pool type='{kind}'{attrs}>@{more}{source}{target}</pool>"


def path(place: str) -> str:
    """Of a target."""
    return f"<path>{place}</path>"


def device(*places: str) -> str:
    """Of a source."""
    return "".join(f"<device path='{place}'/>" for place in places)


def form(name: str) -> str:
    """A format."""
    return f"<format type='{name}'/>"


HOST, HOSTS = "<host name='server'/>", "<host name='a' port='6789'/><host name='b'/>"
NAME = "<name>{}</name>".format
DIR = "<dir path='{}'/>".format
CHAP = "<auth type='chap' username='u'><secret usage='one'/></auth>"
CEPH = f"<auth type='ceph' username='admin'><secret uuid='{UUID.format(0)}'/></auth>"
IQN = "iqn.2013-06.com.example:target"
INITIATOR = "<initiator><iqn name='iqn.2013-06.com.example:me'/></initiator>"
VENDOR = "<vendor name='v'/><product name='p'/>"
FS = " xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
RBD = " xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
MOUNT = "<fs:mount_opts><fs:option name='sync'/><fs:option name='lazytime'/></fs:mount_opts>"
RBD_OPTS = "<rbd:config_opts><rbd:option name='client_mount_timeout' value='45'/></rbd:config_opts>"


def directories() -> Iterator[tuple[str, str]]:
    """Pools of files."""
    yield "dir", pool("dir", "", path("/p/a"))
    yield "dir slashes", pool("dir", "", path("//p///b//"))
    yield "dir root", pool("dir", "", path("/"))
    yield "dir relative", pool("dir", "", path("p/c"))
    yield "dir empty path", pool("dir", "", "<path></path>")
    yield "dir no path", pool("dir", "", MODES.format("0700", 0, 0))
    yield "dir no target", pool("dir")
    for mode in ("0700", "755", "0", "07777", "10000", "abc", "8", "-1", "0x1ff", ""):
        yield f"dir mode {mode}", pool("dir", "", path("/p/m") + MODES.format(mode, 1, 2))
    for owner in ("-1", "-2", "4294967295", "4294967296", "root"):
        yield f"dir owner {owner}", pool("dir", "", path("/p/o") + MODES.format("0711", owner, 5))
    label = "<permissions><label>virt_image_t</label></permissions>"
    yield "dir label", pool("dir", "", path("/p/l") + label)
    yield (
        "dir only mode",
        pool("dir", "", path("/p/n") + "<permissions><mode>0750</mode></permissions>"),
    )
    sizes = "<capacity unit='G'>1</capacity><allocation>5</allocation><available>7</available>"
    yield "dir sizes", pool("dir", "", path("/p/s"), sizes)
    for state in ("yes", "no", "maybe"):
        cow = f"<features><cow state='{state}'/></features>"
        yield f"dir cow {state}", pool("dir", "", path("/p/w"), cow)
    for allocation in ("default", "capacity", "odd"):
        refresh = f"<refresh><volume allocation='{allocation}'/></refresh>"
        yield f"dir refresh {allocation}", pool("dir", "", path("/p/r"), refresh)
    yield "dir with source", pool("dir", device("/dev/x") + form("ext4") + HOST, path("/p/t"))
    yield "dir unknown element", pool("dir", "", path("/p/u"), "<odd/>")
    yield "dir twice named", pool("dir", "", path("/p/v"), "<name>second</name>")
    yield (
        "dir bad uuid",
        "<pool type='dir'><name>x</name><uuid>12</uuid><target><path>/p/x</path></target></pool>",
    )
    yield (
        "dir slash name",
        "<pool type='dir'><name>a/b</name><target><path>/p/y</path></target></pool>",
    )
    yield "dir no name", "<pool type='dir'><target><path>/p/z</path></target></pool>"
    yield "no type", "<pool>@<target><path>/p/1</path></target></pool>"
    yield "unknown type", pool("odd", "", path("/p/2"))
    yield "other root", "<volume>@</volume>"
    yield "malformed", "<pool type='dir'>"


def file_systems() -> Iterator[tuple[str, str]]:
    """Pools of file systems and shares."""
    for name in ("auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat",
                 "hfs+", "xfs", "ocfs2", "vmfs", "btrfs", ""):  # fmt: skip
        yield f"fs {name}", pool("fs", device("/dev/x") + form(name), path("/p/a"))
    yield "fs no format", pool("fs", device("/dev/x"), path("/p/a"))
    yield "fs no device", pool("fs", form("ext4"), path("/p/a"))
    yield "fs no source", pool("fs", "", path("/p/a"))
    yield "fs no target", pool("fs", device("/dev/x"))
    yield "fs devices", pool("fs", device("/dev/x", "/dev/y") + form("ext4"), path("/p/a"))
    yield "fs options", pool("fs", device("/dev/x"), path("/p/a"), MOUNT, FS)
    other = (MOUNT.replace("fs:", "mine:"), FS.replace(":fs", ":mine"))
    yield "fs options by another prefix", pool("fs", device("/dev/x"), path("/p/a"), *other)
    own = f"<mount_opts{FS.replace(':fs', '')}><option name='sync'/></mount_opts>"
    yield "fs options without prefix", pool("fs", device("/dev/x"), path("/p/a"), own)
    nameless = MOUNT.replace("name", "odd")
    yield "fs options without name", pool("fs", device("/dev/x"), path("/p/a"), nameless, FS)
    yield "fs empty vendor", pool("fs", device("/dev/x") + "<vendor name=''/>", path("/p/a"))
    yield "dir host without name", pool("dir", "<host/>", path("/p/a"))
    yield "dir device without path", pool("dir", "<device/>", path("/p/a"))
    yield "fs vendor", pool("fs", device("/dev/x") + VENDOR, path("/p/a"))
    for name in ("auto", "nfs", "glusterfs", "cifs", "odd"):
        yield f"netfs {name}", pool("netfs", HOST + DIR("/e") + form(name), path("/p/b"))
    yield "netfs no format", pool("netfs", HOST + DIR("/e"), path("/p/b"))
    yield "netfs no host", pool("netfs", DIR("/e"), path("/p/b"))
    yield "netfs no dir", pool("netfs", HOST, path("/p/b"))
    yield "netfs hosts", pool("netfs", HOSTS + DIR("/e"), path("/p/b"))
    yield "netfs options", pool("netfs", HOST + DIR("/e"), path("/p/b"), MOUNT, FS)
    for version in ("3", "4.1", "odd", ""):
        protocol = form("nfs") + f"<protocol ver='{version}'/>"
        yield f"netfs protocol {version}", pool("netfs", HOST + DIR("/e") + protocol, path("/p/b"))


def block_devices() -> Iterator[tuple[str, str]]:
    """Pools of block devices."""
    for name in ("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2", "odd"):
        yield f"disk {name}", pool("disk", device("/dev/x") + form(name), path("/dev"))
    yield "disk no format", pool("disk", device("/dev/x"), path("/dev"))
    yield "disk no device", pool("disk", form("gpt"), path("/dev"))
    yield "disk no target", pool("disk", device("/dev/x"))
    for value in ("yes", "no", "odd"):
        part = f"<device path='/dev/mapper/x' part_separator='{value}'/>"
        yield f"disk separator {value}", pool("disk", part, path("/dev"))
    free = "<device path='/dev/x'><freeExtent start='1' end='2'/></device>"
    yield "disk extents", pool("disk", free, path("/dev"))
    yield "logical", pool("logical", NAME("vg"), path("/dev/vg"))
    yield "logical no source", pool("logical")
    yield "logical other target", pool("logical", NAME("vg"), path("/other"))
    yield "logical devices", pool("logical", device("/dev/x", "/dev/y") + NAME("vg") + form("lvm2"))
    yield "logical odd format", pool("logical", NAME("vg") + form("odd"))
    yield "logical unknown format", pool("logical", NAME("vg") + form("unknown"))
    yield "iscsi", pool("iscsi", HOST + device(IQN), path("/dev/disk/by-path"))
    yield "iscsi no host", pool("iscsi", device(IQN), path("/dev/disk/by-path"))
    yield "iscsi no device", pool("iscsi", HOST, path("/dev/disk/by-path"))
    yield "iscsi no target", pool("iscsi", HOST + device(IQN))
    yield "iscsi port", pool("iscsi", "<host name='s' port='3261'/>" + device(IQN), path("/dev"))
    yield "iscsi bad port", pool("iscsi", "<host name='s' port='x'/>" + device(IQN), path("/dev"))
    yield "iscsi chap", pool("iscsi", HOST + device(IQN) + CHAP, path("/dev/disk/by-path"))
    yield "iscsi ceph auth", pool("iscsi", HOST + device(IQN) + CEPH, path("/dev/disk/by-path"))
    yield "iscsi initiator", pool("iscsi", HOST + device(IQN) + INITIATOR + VENDOR, path("/dev"))
    for wrong in ("<auth/>", "<auth type='chap'/>", "<auth type='odd' username='u'/>",
                  "<auth type='chap' username='u'><secret/></auth>",
                  CHAP.replace("usage", f"uuid='{UUID.format(1)}' usage")):  # fmt: skip
        yield f"iscsi {wrong}", pool("iscsi", HOST + device(IQN) + wrong, path("/dev"))
    for wrong in ("<auth username='u'/>", "<auth type='chap' username='u'/>",
                  "<auth type='chap' username='u'><secret uuid='x'/></auth>"):  # fmt: skip
        yield f"iscsi {wrong}", pool("iscsi", HOST + device(IQN) + wrong, path("/dev"))
    yield "iscsi-direct no device", pool("iscsi-direct", HOST + INITIATOR)
    yield "iscsi-direct no host", pool("iscsi-direct", device(IQN) + INITIATOR)
    yield "iscsi-direct", pool("iscsi-direct", HOST + device(IQN) + INITIATOR)
    yield "iscsi-direct no initiator", pool("iscsi-direct", HOST + device(IQN))
    yield "iscsi-direct target", pool("iscsi-direct", HOST + device(IQN) + INITIATOR, path("/dev"))
    yield "iscsi-direct chap", pool("iscsi-direct", HOST + device(IQN) + INITIATOR + CHAP)
    yield "mpath", pool("mpath", "", path("/dev/mapper"))
    yield "mpath no target", pool("mpath")
    yield "zfs", pool("zfs", NAME("tank"))
    yield "zfs device", pool("zfs", NAME("tank") + device("/dev/x"))
    yield "zfs no source", pool("zfs")


def adapters() -> Iterator[tuple[str, str]]:
    """Pools of SCSI hosts."""
    by_path = path("/dev/disk/by-path")
    address = "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>"
    parent = f"<adapter type='scsi_host'><parentaddr unique_id='1'>{address}</parentaddr></adapter>"
    fc_host = "<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'{}/>"
    for name, adapter in {
        "host": "<adapter name='host0'/>",
        "typed": "<adapter type='scsi_host' name='scsi_host1'/>",
        "bad name": "<adapter type='scsi_host' name='odd'/>",
        "no name": "<adapter type='scsi_host'/>",
        "odd type": "<adapter type='odd' name='host0'/>",
        "parent": parent,
        "parent and name": parent.replace("'scsi_host'>", "'scsi_host' name='host1'>"),
        "parent decimal": parent.replace("0x1f", "10"),
        "parent part": parent.replace("domain='0x0000' bus='0x00'", ""),
        "parent odd": parent.replace("0x1f", "x"),
        "parent no id": parent.replace(" unique_id='1'", ""),
        "parent odd id": parent.replace("unique_id='1'", "unique_id='x'"),
        "parent no address": "<adapter type='scsi_host'><parentaddr unique_id='1'/></adapter>",
        "fc": fc_host.format(""),
        "fc parent": fc_host.format(" parent='scsi_host5'"),
        "fc managed": fc_host.format(" parent='scsi_host5' managed='yes'"),
        "fc parent names": fc_host.format(
            " parent_wwnn='20000000c9831b4c' parent_wwpn='10000000c9831b4c'"),
        "fc half parent": fc_host.format(" parent_wwnn='20000000c9831b4c'"),
        "fc fabric": fc_host.format(" parent_fabric_wwn='2001000dec9e5b01'"),
        "fc bad wwn": "<adapter type='fc_host' wwnn='xyz' wwpn='10000000c9831b4b'/>",
        "fc no wwpn": "<adapter type='fc_host' wwnn='20000000c9831b4b'/>",
    }.items():  # fmt: skip
        yield f"scsi {name}", pool("scsi", adapter, by_path)
    yield "scsi no adapter", pool("scsi", "", by_path)
    yield "scsi no target", pool("scsi", "<adapter name='host0'/>")


def servers() -> Iterator[tuple[str, str]]:
    """Pools of servers."""
    for kind in ("rbd", "gluster", "sheepdog"):
        yield kind, pool(kind, HOSTS + NAME("vol"))
        yield f"{kind} no host", pool(kind, NAME("vol"))
        yield f"{kind} no name", pool(kind, HOST)
        yield f"{kind} dir", pool(kind, HOST + NAME("vol") + DIR("/d"))
        yield f"{kind} target", pool(kind, HOST + NAME("vol"), path("/p/r"))
        yield f"{kind} port", pool(kind, "<host name='s' port='99999'/>" + NAME("vol"))
    yield "rbd ceph", pool("rbd", HOSTS + NAME("pool") + CEPH)
    yield "rbd chap", pool("rbd", HOSTS + NAME("pool") + CHAP)
    yield "rbd options", pool("rbd", HOSTS + NAME("pool"), "", RBD_OPTS, RBD)
    for name, options in {
        "another prefix": RBD_OPTS.replace("rbd:", "r:"),
        "no value": RBD_OPTS.replace("value='45'", ""),
        "empty value": RBD_OPTS.replace("45", ""),
        "empty name": RBD_OPTS.replace("client_mount_timeout", ""),
    }.items():
        space = RBD.replace(":rbd", ":r") if name == "another prefix" else RBD
        yield f"rbd options {name}", pool("rbd", HOSTS + NAME("pool"), "", options, space)
    yield (
        "rbd features",
        pool("rbd", HOST + NAME("p"), "", "<features><cow state='no'/></features>"),
    )


def _taken_here() -> Iterator[tuple[str, str, str]]:
    """Of directories and devices of the host, and shares."""
    nfs = HOST + DIR("/e") + form("nfs")
    yield "dir dir", pool("dir", "", path("/p/a")), pool("dir", "", path("/p/a/"))
    yield "dir below", pool("dir", "", path("/p/a")), pool("dir", "", path("/p/a/b"))
    yield "dir fs", pool("dir", "", path("/p/a")), pool("fs", device("/dev/x"), path("/p/a"))
    yield "dir netfs", pool("dir", "", path("/p/a")), pool("netfs", nfs, path("/p/a"))
    fs, disk = (
        pool("fs", device("/dev/x"), path("/p/f")),
        pool("disk", device("/dev/x"), path("/dev")),
    )
    yield "fs fs", fs, fs
    yield "fs other target", fs, pool("fs", device("/dev/x"), path("/p/g"))
    yield "fs disk", fs, disk
    yield "disk fs", disk, fs
    yield "disk disk", disk, pool("disk", device("/dev/x") + form("gpt"), path("/dev/disk/by-id"))
    yield "disk other", disk, pool("disk", device("/dev/y"), path("/dev"))
    logical = pool("logical", NAME("vg") + device("/dev/x"))
    yield "disk logical", disk, logical
    yield "logical logical", logical, pool("logical", NAME("vg"))
    yield "logical same name", pool("logical", NAME("vg")), pool("logical", NAME("vg"))
    yield "logical device", logical, pool("logical", NAME("other") + device("/dev/y", "/dev/x"))
    yield "netfs same", pool("netfs", nfs, path("/p/a")), pool("netfs", nfs, path("/p/b"))
    yield "netfs other dir", pool("netfs", nfs, path("/p/a")), pool(
        "netfs", HOST + DIR("/f"), path("/p/b"))  # fmt: skip
    yield "netfs other host", pool("netfs", nfs, path("/p/a")), pool(
        "netfs", "<host name='t'/>" + DIR("/e"), path("/p/a"))  # fmt: skip
    yield "netfs other format", pool("netfs", nfs, path("/p/a")), pool(
        "netfs", HOST + DIR("/e") + form("cifs"), path("/p/b"))  # fmt: skip
    yield "netfs hosts", pool("netfs", nfs, path("/p/a")), pool(
        "netfs", HOST + "<host name='t'/>" + DIR("/e"), path("/p/a"))  # fmt: skip
    yield "netfs port", pool("netfs", nfs, path("/p/a")), pool(
        "netfs", "<host name='server' port='99'/>" + DIR("/e"), path("/p/b"))  # fmt: skip


def _taken_elsewhere() -> Iterator[tuple[str, str, str]]:
    """Of servers and adapters."""
    iscsi = pool("iscsi", HOST + device(IQN), path("/dev"))
    yield "iscsi same", iscsi, pool("iscsi", HOST + device(IQN), path("/dev/disk/by-path"))
    yield "iscsi initiator", iscsi, pool("iscsi", HOST + device(IQN) + INITIATOR, path("/dev"))
    yield "iscsi direct", iscsi, pool("iscsi-direct", HOST + device(IQN) + INITIATOR)
    direct = pool("iscsi-direct", HOST + device(IQN) + INITIATOR)
    yield "direct direct", direct, direct
    yield (
        "iscsi port",
        iscsi,
        pool("iscsi", "<host name='server' port='99'/>" + device(IQN), path("/dev")),
    )
    yield "iscsi other device", iscsi, pool("iscsi", HOST + device(IQN + "2"), path("/dev"))
    for kind in ("rbd", "gluster", "sheepdog"):
        yield f"{kind} same", pool(kind, HOST + NAME("v")), pool(kind, HOST + NAME("v"))
        yield f"{kind} other", pool(kind, HOST + NAME("v")), pool(kind, HOST + NAME("w"))
        yield f"{kind} port", pool(kind, HOST + NAME("v")), pool(
            kind, "<host name='server' port='99'/>" + NAME("v"))  # fmt: skip
        yield f"{kind} dir", pool(kind, HOST + NAME("v")), pool(kind, HOST + NAME("v") + DIR("/d"))
    yield "zfs same", pool("zfs", NAME("tank")), pool("zfs", NAME("tank"))
    yield "zfs device", pool("zfs", NAME("tank") + device("/dev/x")), pool(
        "zfs", NAME("other") + device("/dev/x"))  # fmt: skip
    yield (
        "mpath mpath",
        pool("mpath", "", path("/dev/mapper")),
        pool("mpath", "", path("/dev/mapper")),
    )
    host = "<adapter type='scsi_host' name='{}'/>"
    yield "scsi same", pool("scsi", host.format("host1"), path("/dev")), pool(
        "scsi", host.format("host1"), path("/dev/disk/by-path"))  # fmt: skip
    yield "scsi other name", pool("scsi", host.format("host1"), path("/dev")), pool(
        "scsi", host.format("scsi_host1"), path("/dev"))  # fmt: skip
    fc_host = "<adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4{}'/>"
    yield "scsi fc same", pool("scsi", fc_host.format("b"), path("/dev")), pool(
        "scsi", fc_host.format("b"), path("/dev"))  # fmt: skip
    yield "scsi fc other", pool("scsi", fc_host.format("b"), path("/dev")), pool(
        "scsi", fc_host.format("c"), path("/dev"))  # fmt: skip


def taken() -> Iterator[tuple[str, str, str]]:
    """Two pools, of which the second would be the storage of the first, or would not."""
    yield from _taken_here()
    yield from _taken_elsewhere()


POOLS: tuple[Callable[[], Iterator[tuple[str, str]]], ...] = (
    directories, file_systems, block_devices, adapters, servers,
)  # fmt: skip


def documents() -> dict[str, str]:
    """All of the single ones, by name."""
    return {name: named(text) for group in POOLS for name, text in group()}
