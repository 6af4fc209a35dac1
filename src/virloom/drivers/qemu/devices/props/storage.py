# SPDX-License-Identifier: Apache-2.0
"""Block nodes that read and write storage other than local files: servers, NVMe, directories."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.qemu.devices.props.address import Props
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.domain import DiskSource, Host

_WEB = ("http", "https", "ftp", "ftps")


def storage_node(kind: str, source: DiskSource, node: str, *, floppy: bool) -> Props:
    """What distinguishes the node from others; its name and caching come from elsewhere.

    Args:
        kind: The type of the disk or backing image.
        source: What backs it.
        node: Its name, which objects that belong to it are named after.
        floppy: Whether a directory is shown as a floppy disk.

    Raises:
        ConfigUnsupported: A protocol that QEMU does not have.
        InternalError: Hosts that the protocol does not take, or an image in another process
            (libvirt's code for both).
    """
    if kind == "network":
        return _network(source, node)
    if kind == "nvme":
        return _nvme(source)
    if kind == "dir":
        return {"driver": "vvfat", "dir": source.dir, "floppy": floppy, "rw": False}
    if kind == "vhostuser":
        raise InternalError(
            "an image in another process has no block node", domain=ErrorDomain.QEMU
        )
    raise ConfigUnsupported(f"images of type '{kind}' cannot be opened", domain=ErrorDomain.QEMU)


def tls_object_id(node: str) -> str:
    """QEMU's id of the certificates of a node."""
    return f"obj{node}_tls0"


def cookie_secret_id(node: str) -> str:
    """QEMU's id of the secret that holds a node's cookies."""
    return f"{node}-httpcookie-secret0"


def _nvme(source: DiskSource) -> Props:
    address = source.address
    assert address is not None
    place = (address.domain or 0, address.bus or 0, address.slot or 0, address.function or 0)
    device = "{:04x}:{:02x}:{:02x}.{:x}".format(*place)
    return {"driver": "nvme", "device": device, "namespace": source.namespace}


def _network(source: DiskSource, node: str) -> Props:
    protocol = source.protocol or ""
    if protocol in _WEB:
        return _web(source, node)
    maker = _PROTOCOLS.get(protocol)
    if maker is None:
        raise ConfigUnsupported(
            f"protocol '{protocol}' is not supported by this QEMU", domain=ErrorDomain.QEMU
        )
    props = maker(source)
    if source.tls and protocol == "nbd":
        props["tls-creds"] = tls_object_id(node)
        if source.tls_hostname:
            props["tls-hostname"] = source.tls_hostname
    return props


def _only_host(source: DiskSource) -> Host:
    if len(source.hosts) != 1:
        raise InternalError(
            f"protocol '{source.protocol}' takes one host, not {len(source.hosts)}",
            domain=ErrorDomain.QEMU,
        )
    return source.hosts[0]


def _server(host: Host) -> Props:
    if host.transport == "unix":
        return {"type": "unix", "path": host.socket}
    if host.transport == "rdma":
        raise InternalError("transport 'rdma' is not supported", domain=ErrorDomain.QEMU)
    return {"type": "inet", "host": host.name, "port": str(host.port or 0)}


def _nbd(source: DiskSource) -> Props:
    props: Props = {"driver": "nbd", "server": _server(_only_host(source))}
    if source.name is not None:
        props["export"] = source.name
    if source.reconnect.delay:
        props["reconnect-delay"] = source.reconnect.delay
    return props


def _rbd(source: DiskSource) -> Props:
    pool, _, image = (source.name or "").partition("/")
    props: Props = {"driver": "rbd", "pool": pool, "image": image}
    if source.snapshot.name:
        props["snapshot"] = source.snapshot.name
    if source.config.file:
        props["conf"] = source.config.file
    if source.hosts:
        props["server"] = [
            {"host": host.name, "port": str(host.port or 6789)} for host in source.hosts
        ]
    return props


def _iscsi(source: DiskSource) -> Props:
    host = _only_host(source)
    target, _, unit = (source.name or "").rpartition("/")
    name = host.name or ""
    shown = f"[{name}]" if ":" in name else name
    props: Props = {
        "driver": "iscsi",
        "portal": f"{shown}:{host.port}",
        "target": target,
        "lun": int(unit) if unit.isdigit() else 0,
        "transport": "tcp",
    }
    if source.initiator.iqn.name:
        props["initiator-name"] = source.initiator.iqn.name
    return props


def _web(source: DiskSource, node: str) -> Props:
    host = _only_host(source)
    name = host.name or ""
    shown = f"[{name}]" if ":" in name else name
    path = (source.name or "").removeprefix("/")
    query = f"?{source.query}" if source.query else ""
    props: Props = {
        "driver": source.protocol,
        "url": f"{source.protocol}://{shown}:{host.port}/{path}{query}",
    }
    if source.ssl.verify is not None:
        props["sslverify"] = source.ssl.verify
    if source.cookies.cookies:
        props["cookie-secret"] = cookie_secret_id(node)
    if source.timeout.seconds:
        props["timeout"] = source.timeout.seconds
    if source.readahead.size:
        props["readahead"] = source.readahead.size
    return props


def _ssh(source: DiskSource) -> Props:
    host = _only_host(source)
    server = {"host": host.name, "port": str(host.port or 22)}
    props: Props = {"driver": "ssh", "path": source.name, "server": server}
    if source.identity.username:
        props["user"] = source.identity.username
    return props


def _gluster(source: DiskSource) -> Props:
    volume, _, path = (source.name or "").partition("/")
    servers = [_server(host) for host in source.hosts]
    return {
        "driver": "gluster",
        "volume": volume,
        "path": path.lstrip("/"),
        "server": servers,
        "debug": 4,
    }


def _nfs(source: DiskSource) -> Props:
    host = _only_host(source)
    server = {"host": host.name, "type": "inet"}
    props: Props = {"driver": "nfs", "server": server, "path": source.name}
    for name, text in (("user", source.identity.user), ("group", source.identity.group)):
        number = (text or "").removeprefix("+")
        if number.isdigit():
            props[name] = int(number)
        elif text:
            raise InvalidArg(
                f"{name} '{text}' at an NFS server is a number such as '+1000'",
                domain=ErrorDomain.NONE,
            )
    return props


def _sheepdog(source: DiskSource) -> Props:
    return {"driver": "sheepdog", "server": _server(_only_host(source)), "vdi": source.name}


_PROTOCOLS: dict[str, Callable[[DiskSource], Props]] = {
    "nbd": _nbd,
    "rbd": _rbd,
    "iscsi": _iscsi,
    "ssh": _ssh,
    "gluster": _gluster,
    "nfs": _nfs,
    "sheepdog": _sheepdog,
}
