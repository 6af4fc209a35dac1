# SPDX-License-Identifier: Apache-2.0
"""Checks of the ``qemu:`` name space."""

from __future__ import annotations

import re

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError
from virloom.model.domain import Domain, QemuProperty

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_VALUES = {
    "string": re.compile(r".*", re.DOTALL),
    "signed": re.compile(r"[+-]?\d{1,19}", re.ASCII),
    "unsigned": re.compile(r"\+?\d{1,20}", re.ASCII),
    "bool": re.compile(r"true|false"),
}


def check_given_qemu_namespace(dom: Domain) -> None:
    """Nothing without its name, and values of their kinds."""
    commandline = dom.qemu_commandline
    wrong = ""
    if any(arg.value is None for arg in commandline.args):
        wrong = "<qemu:arg> has no value"
    for env in commandline.env:
        if not env.name or not _NAME.fullmatch(env.name):
            wrong = f"'{env.name or ''}' cannot be the name of <qemu:env>"
    capabilities = dom.qemu_capabilities
    if any(not item.capability for item in (*capabilities.add, *capabilities.delete)):
        wrong = "<qemu:capabilities> has an entry without capability"
    if wrong:
        raise InternalError(wrong, domain=ErrorDomain.QEMU)
    for device in dom.qemu_override.devices:
        if not device.alias:
            raise XmlError("<qemu:device> has no alias", domain=ErrorDomain.QEMU)
        for item in device.frontend.properties if device.frontend is not None else ():
            _property(item)


def _property(item: QemuProperty) -> None:
    wrong = ""
    if not item.name:
        wrong = "has no name"
    elif item.type == "remove":
        wrong = "has a value, and is to be removed" if item.value is not None else ""
    elif item.value is None:
        wrong = "has no value"
    elif not _VALUES[item.type or "string"].fullmatch(item.value):
        wrong = f"cannot be '{item.value[:80]}' of type '{item.type}'"
    if wrong:
        raise XmlError(f"<qemu:property> '{item.name}' {wrong}", domain=ErrorDomain.QEMU)
