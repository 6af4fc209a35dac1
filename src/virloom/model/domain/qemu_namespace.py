# SPDX-License-Identifier: Apache-2.0
"""The ``qemu:`` name space: what goes to QEMU as it stands, past all that we know."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children
from virloom.xml.kinds import STRING, choice

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"


class QemuArgument(Element):
    """``<qemu:arg value='-newarg'/>``."""

    value: str | None = attribute(STRING)


class QemuEnvironment(Element):
    """``<qemu:env name='NS' value='ns'/>``."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


class QemuCommandline(Element):
    """``<qemu:commandline>``."""

    args: list[QemuArgument] = children(QemuArgument, "qemu:arg")
    env: list[QemuEnvironment] = children(QemuEnvironment, "qemu:env")


class QemuCapability(Element):
    """``<qemu:add capability='blockdev'/>``."""

    capability: str | None = attribute(STRING)


class QemuCapabilities(Element):
    """``<qemu:capabilities>``: what QEMU is to be taken to know, or not to know."""

    add: list[QemuCapability] = children(QemuCapability, "qemu:add")
    delete: list[QemuCapability] = children(QemuCapability, "qemu:del")


class QemuProperty(Element):
    """``<qemu:property name='x-y' type='string' value='z'/>``."""

    name: str | None = attribute(STRING)
    type: str | None = attribute(
        choice("string", "unsigned", "signed", "bool", "remove"), required=True
    )
    value: str | None = attribute(STRING)


class QemuFrontend(Element):
    """``<qemu:frontend>``: the device as the guest sees it."""

    properties: list[QemuProperty] = children(QemuProperty, "qemu:property")


class QemuDevice(Element):
    """``<qemu:device alias='ua-disk'>``."""

    alias: str | None = attribute(STRING)
    frontend: QemuFrontend | None = child(QemuFrontend, "qemu:frontend")


class QemuOverride(Element):
    """``<qemu:override>``."""

    devices: list[QemuDevice] = children(QemuDevice, "qemu:device")


class QemuDeprecation(Element):
    """``<qemu:deprecation behavior='reject'/>``: what QEMU does about what it is to drop."""

    behavior: str | None = attribute(STRING)
