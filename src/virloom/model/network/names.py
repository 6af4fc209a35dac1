# SPDX-License-Identifier: Apache-2.0
"""``<dns>`` of a network: what names its guests are told."""

from __future__ import annotations

from virloom.errors import XmlDetail
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, leaves
from virloom.xml.kinds import STRING, UINT, YES_NO, answering


class Forwarder(Element):
    """``<forwarder domain='example.com' addr='8.8.4.4'/>``."""

    domain: str | None = attribute(STRING)
    addr: str | None = attribute(STRING)


class Txt(Element):
    """``<txt name='example' value='words'/>``."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


#: Of a service what does not convert makes the record incomplete.
_NUMBER = answering(UINT, XmlDetail)


class Srv(Element):
    """``<srv service='ldap' protocol='tcp' domain='…' target='.' port='1024' …/>``."""

    service: str | None = attribute(STRING)
    protocol: str | None = attribute(STRING)
    domain: str | None = attribute(STRING)
    target: str | None = attribute(STRING)
    port: int | None = attribute(_NUMBER)
    priority: int | None = attribute(_NUMBER)
    weight: int | None = attribute(_NUMBER)


class DnsHost(Element):
    """``<host ip='192.168.122.2'><hostname>gateway</hostname></host>``."""

    ip: str | None = attribute(STRING)
    hostnames: list[str] = leaves(STRING, "hostname")


class Dns(Element):
    """``<dns enable='yes' forwardPlainNames='no'>``."""

    enable: bool | None = attribute(YES_NO)
    forward_plain_names: bool | None = attribute(YES_NO, "forwardPlainNames")
    forwarders: list[Forwarder] = children(Forwarder, "forwarder")
    txts: list[Txt] = children(Txt, "txt")
    srvs: list[Srv] = children(Srv, "srv")
    hosts: list[DnsHost] = children(DnsHost, "host")
