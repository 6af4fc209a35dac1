# SPDX-License-Identifier: Apache-2.0
"""Checks of what identifies a guest: title, ``<sysinfo>``, ``<seclabel>``, ``<resource>``, ..."""

from __future__ import annotations

import re

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    VirloomError,
    XmlDetail,
    XmlError,
)
from virloom.model.domain import Domain, IdRange, Seclabel, SourceSeclabel, Sysinfo
from virloom.xml.kinds import UUID

_LONGEST_APPID = 128
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", re.ASCII)


def check_given_identity(dom: Domain) -> None:
    """Each by its own rules, which need nothing of the rest of the document."""
    if "\n" in (dom.title or ""):
        raise XmlError("a title is one line", domain=ErrorDomain.DOMAIN)
    _resource(dom)
    for sysinfo in dom.sysinfos:
        _sysinfo(dom, sysinfo)
    _seclabels(dom)
    _ids(dom.idmap.uids, dom.idmap.gids)
    events = [event.name for event in dom.perf.events]
    _once(events, "perf event", XmlError)
    ciphers = [cipher.name for cipher in dom.keywrap.ciphers]
    _once(ciphers, "cipher", InternalError)
    _launch_security(dom)


def _once(names: list[str | None], what: str, error: type[VirloomError]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise error(f"{what} '{name}' is given twice", domain=ErrorDomain.DOMAIN)


def _resource(dom: Domain) -> None:
    resource = dom.resource
    if resource is None:
        return
    appid = resource.fibrechannel.appid
    if resource.partition is None and not appid:
        raise InternalError("<resource> has neither partition nor appid")
    if appid and len(appid.encode()) > _LONGEST_APPID:
        raise InvalidArg(
            f"an appid has at most {_LONGEST_APPID} characters", domain=ErrorDomain.DOMAIN
        )
    if appid and not appid.isprintable():
        raise XmlError("an appid has printable characters only", domain=ErrorDomain.DOMAIN)


def _sysinfo(dom: Domain, sysinfo: Sysinfo) -> None:
    if sysinfo.type == "fwcfg":
        for item in sysinfo.entries:
            if not item.name or not (item.value or item.file):
                raise XmlError(
                    f"firmware entry '{item.name}' needs a name, and a value or a file",
                    domain=ErrorDomain.DOMAIN,
                )
        return
    for entry in sysinfo.bios.entries:
        if entry.name == "date" and entry.value and not _is_date(entry.value):
            raise XmlDetail(
                f"BIOS date '{entry.value[:80]}' is not as 12/31/1999", domain=ErrorDomain.DOMAIN
            )
    for entry in sysinfo.system.entries:
        if entry.name == "uuid" and entry.value:
            _system_uuid(dom, entry.value)


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    month, day, year = (int(part) for part in match.groups())
    return 1 <= month <= 12 and 1 <= day <= 31 and (year < 100 or year >= 1900)


def _system_uuid(dom: Domain, text: str) -> None:
    assert UUID.parse is not None
    try:
        uuid = UUID.parse(text)
    except ValueError:
        raise XmlDetail(
            f"'{text[:80]}' of <sysinfo> is no UUID", domain=ErrorDomain.DOMAIN
        ) from None
    if dom.uuid is not None and uuid != dom.uuid:
        raise XmlDetail("<uuid> and <sysinfo> have different UUIDs", domain=ErrorDomain.DOMAIN)


def _seclabels(dom: Domain) -> None:
    labels = dom.seclabels
    seen: set[str | None] = set()
    for label in labels:
        error = _seclabel(label)
        if error is None and label.model in seen:
            error = XmlDetail(f"<seclabel> for '{label.model or ''}' is given twice")
        seen.add(label.model)
        if error is not None:
            error.domain = ErrorDomain.DOMAIN
            raise error
    if len(labels) > 1 and None in seen:
        raise XmlError("of several <seclabel> each needs a model", domain=ErrorDomain.DOMAIN)


def check_source_labels(labels: list[SourceSeclabel]) -> None:
    """That a file or socket of a guest has one label of each model at most.

    Raises:
        XmlDetail: There is a second.
    """
    models = [label.model for label in labels]
    if len(set(models)) < len(models):
        twice = next(model for model in models if models.count(model) > 1)
        raise XmlDetail(
            f"<seclabel> of a source for '{twice or ''}' is given twice", domain=ErrorDomain.DOMAIN
        )


def _seclabel(label: Seclabel) -> VirloomError | None:
    if label.model == "none":
        return None
    if label.type == "static" and not label.label:
        return XmlError("a static <seclabel> has no label")
    if label.type == "dynamic" and label.relabel is False:
        return ConfigUnsupported("a dynamic <seclabel> cannot be without relabelling")
    if label.type == "none" and label.relabel:
        return ConfigUnsupported("a <seclabel> of type 'none' cannot relabel")
    if label.model is None and (
        label.type in (None, "static") or (label.type == "dynamic" and label.baselabel)
    ):
        return XmlError("a <seclabel> has no model")
    return None


def _ids(uids: list[IdRange], gids: list[IdRange]) -> None:
    wrong = ""
    if bool(uids) != bool(gids):
        wrong = "users and groups are mapped both or not at all"
    elif uids and min(one.start or 0 for one in uids) > 0:
        wrong = "the container's root is not mapped"
    elif gids and min(one.start or 0 for one in gids) > 0:
        wrong = "the group of the container's root is not mapped"
    if wrong:
        raise ConfigUnsupported(f"<idmap>: {wrong}", domain=ErrorDomain.DOMAIN)


def _launch_security(dom: Domain) -> None:
    sec = dom.launch_security
    if sec is None or sec.type != "sev":
        return
    for name, text, base in (
        ("policy", sec.policy, 16),
        ("cbitpos", sec.cbitpos or "0", 10),
        ("reducedPhysBits", sec.reduced_phys_bits or "0", 10),
    ):
        try:
            number = int(text or "", base)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 32:
            raise XmlError(
                f"<{name}> of <launchSecurity> is '{text}', no number", domain=ErrorDomain.DOMAIN
            )


def check_identity(dom: Domain) -> None:
    """What QEMU takes of it."""
    for sysinfo in dom.sysinfos:
        for entry in sysinfo.entries:
            _firmware_name(entry.name or "")
    if dom.bootloader is not None:
        raise ConfigUnsupported("QEMU has no <bootloader>", domain=ErrorDomain.QEMU)
    if dom.launch_security is not None:
        raise ConfigUnsupported(
            f"launch security '{dom.launch_security.type}': neither this QEMU nor this host has it",
            domain=ErrorDomain.QEMU,
        )


def _firmware_name(name: str) -> None:
    wrong = ""
    if not name.startswith("opt/"):
        wrong = "does not begin with opt/"
    elif name.startswith(("opt/ovmf/", "opt/org.qemu/")):
        wrong = "is reserved"
    if wrong:
        raise ConfigUnsupported(f"firmware entry '{name}' {wrong}", domain=ErrorDomain.QEMU)
