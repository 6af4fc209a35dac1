# SPDX-License-Identifier: Apache-2.0
"""``<source>`` of a disk: what backs it."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain.devices.storage import (
    Auth,
    Encryption,
    Reconnect,
    Reservations,
    Slices,
)
from virloom.model.domain.seclabel import SourceSeclabel
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, group
from virloom.xml.kinds import (
    STRING,
    UINT,
    ULONG_OWNED,
    YES_NO,
    answering,
    blank,
    choice,
    hexadecimal,
    option,
)

PROTOCOLS = (
    "nbd",
    "rbd",
    "sheepdog",
    "gluster",
    "iscsi",
    "http",
    "https",
    "ftp",
    "ftps",
    "tftp",
    "ssh",
    "vxhs",
    "nfs",
)


class Host(Element):
    """``<host name='example.org' port='6000'/>`` or ``<host transport='unix' socket='…'/>``."""

    name: str | None = attribute(STRING)
    port: int | None = attribute(answering(UINT, InvalidArg, ErrorDomain.NONE))
    transport: str | None = attribute(option("tcp", "unix", "rdma"))
    socket: str | None = attribute(STRING)


class Named(Element):
    """``<snapshot name='…'/>`` of an RBD image, ``<iqn name='…'/>`` of an initiator."""

    name: str | None = attribute(STRING)


class ConfigFile(Element):
    """``<config file='…'/>`` of an RBD cluster."""

    file: str | None = attribute(STRING)


class Initiator(Element):
    """``<initiator>``: as whom an iSCSI target is asked."""

    iqn: Named = group(Named)


class Ssl(Element):
    """``<ssl verify='no'/>``."""

    verify: bool | None = attribute(YES_NO)


class Cookie(Element):
    """``<cookie name='…'>value</cookie>``."""

    name: str | None = attribute(STRING)
    value: str | None = content(STRING)


class Cookies(Element):
    """``<cookies>`` for a web server."""

    cookies: list[Cookie] = children(Cookie, "cookie")


class Readahead(Element):
    """``<readahead size='65536'/>``, in bytes."""

    size: int | None = attribute(blank(ULONG_OWNED))


class Timeout(Element):
    """``<timeout seconds='10'/>``."""

    seconds: int | None = attribute(blank(ULONG_OWNED))


class Identity(Element):
    """``<identity user='+0' group='+0'/>`` at an NFS server; for SSH a user name and key file."""

    user: str | None = attribute(STRING)
    group: str | None = attribute(STRING)
    username: str | None = attribute(STRING, since="9.8.0")
    keyfile: str | None = attribute(STRING, since="9.8.0")
    agentsock: str | None = attribute(STRING, since="9.8.0")


class KnownHosts(Element):
    """``<knownHosts path='…'/>`` of an SSH source."""

    path: str | None = attribute(STRING)


class NvmeAddress(Element):
    """``<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>`` of a controller."""

    domain: int | None = attribute(hexadecimal(4))
    bus: int | None = attribute(hexadecimal(2))
    slot: int | None = attribute(hexadecimal(2))
    function: int | None = attribute(hexadecimal(1))


class DiskSource(Element):
    """``<source file='…'/>``: what backs the disk; the fields that count follow ``disk.type``."""

    type: str | None = attribute(STRING)
    path: str | None = attribute(STRING)
    managed: bool | None = attribute(YES_NO)
    namespace: int | None = attribute(blank(ULONG_OWNED))
    protocol: str | None = attribute(choice(*PROTOCOLS))
    name: str | None = attribute(STRING)
    query: str | None = attribute(STRING)
    tls: bool | None = attribute(YES_NO)
    tls_hostname: str | None = attribute(STRING, "tlsHostname")
    pool: str | None = attribute(STRING)
    volume: str | None = attribute(STRING)
    mode: str | None = attribute(option("host", "direct"))
    file: str | None = attribute(STRING)
    fdgroup: str | None = attribute(STRING, since="9.3.0")
    dev: str | None = attribute(STRING)
    dir: str | None = attribute(STRING)
    startup_policy: str | None = attribute(
        choice("mandatory", "requisite", "optional"), "startupPolicy"
    )
    index: int | None = attribute(UINT, live=True)
    address: NvmeAddress | None = child(NvmeAddress)
    hosts: list[Host] = children(Host, "host")
    snapshot: Named = group(Named)
    config: ConfigFile = group(ConfigFile)
    initiator: Initiator = group(Initiator)
    identity: Identity = group(Identity)
    ssl: Ssl = group(Ssl)
    cookies: Cookies = group(Cookies)
    readahead: Readahead = group(Readahead)
    timeout: Timeout = group(Timeout)
    reconnect: Reconnect = group(Reconnect)
    known_hosts: KnownHosts = group(KnownHosts, "knownHosts", since="9.8.0")
    slices: Slices = group(Slices)
    seclabels: list[SourceSeclabel] = children(SourceSeclabel, "seclabel")
    auth: Auth | None = child(Auth)
    encryption: Encryption | None = child(Encryption)
    reservations: Reservations | None = child(Reservations)
