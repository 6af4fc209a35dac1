# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a filter: completed, normalized and checked, with libvirt's codes."""

from __future__ import annotations

import re
from uuid import uuid4

from virloom.drivers.nwfilter.values import reader, variable
from virloom.drivers.runtime.filter_parameters import usable
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg
from virloom.model.nwfilter import Filter, FilterReference, FilterRule
from virloom.model.nwfilter.rule import BridgedIp, Match, Transport
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.NWFILTER
_PRIORITIES = range(-1000, 1001)
_RULE_PRIORITY = 500

#: The kinds of chains, and the priorities of those that are given none.
CHAINS = {
    "root": 0,
    "stp": 0,
    "mac": -800,
    "vlan": -750,
    "ipv4": -700,
    "ipv6": -600,
    "arp": -500,
    "rarp": -400,
}
_CHAIN = re.compile(r"[A-Za-z0-9_.:\-]+")
_LONGEST_CHAIN = 12
_LONGEST_COMMENT = 256  # bytes
#: Protocols that have ports, as :mod:`.values` writes them.
_WITH_PORTS = ("tcp", "udp", "sctp", "33", "0x21")


def parse_filter(text: str, *, validate: bool = False) -> Filter:
    """The filter that a document describes, complete.

    Raises:
        XmlError: It is malformed, or no filter's.
        InternalError: It is none that libvirt takes (its code for most of them).
        InvalidArg: Its chain is none.
    """
    model = parse_document(Filter, text, validate=validate)
    complete(model)
    return model


def complete(model: Filter) -> None:
    """Fills in what a parsed document leaves out, in place, and checks it.

    Raises:
        VirloomError: As :func:`parse_filter`.
    """
    if not model.name:
        raise InternalError("filter has no name", domain=_DOMAIN)
    _complete_chain(model)
    model.uuid = model.uuid or str(uuid4())
    for entry in model.entries:
        if isinstance(entry, FilterRule):
            _complete_rule(entry)
        else:
            complete_reference(entry)


def _complete_chain(model: Filter) -> None:
    if model.priority is not None and model.priority not in _PRIORITIES:
        raise InvalidArg.worded(
            f"the priority {model.priority} of filter '{model.name}' is not from -1000 to 1000",
            domain=_DOMAIN,
        )
    if not model.chain:
        model.priority = None  # as in libvirt it is said of a chain that is named
    chain = model.chain = model.chain or "root"
    kind = kind_of(chain)
    if kind is None or _CHAIN.fullmatch(chain) is None or len(chain) > _LONGEST_CHAIN:
        raise InvalidArg.worded(
            f"'{chain}' is no chain: it must be root, or begin with one of"
            f" {', '.join(name for name in CHAINS if name != 'root')}, in at most"
            f" {_LONGEST_CHAIN} characters",
            domain=_DOMAIN,
        )
    if model.priority is None:
        model.priority = CHAINS[kind]
    model.priority = model.priority or None


def kind_of(chain: str) -> str | None:
    """Which kind of chain the name says: ``arp`` of ``arp-ip``; None where it says none."""
    if chain == "root":
        return chain
    return next((kind for kind in CHAINS if kind != "root" and chain.startswith(kind)), None)


def complete_reference(model: FilterReference) -> None:
    """Parameters that cannot be are left out, and the others sorted by name, as by libvirt.

    Raises:
        InternalError: It names no filter.
    """
    if not model.filter:
        raise InternalError("a reference names no filter", domain=_DOMAIN)
    model.parameters = usable(model.parameters)


def _complete_rule(rule: FilterRule) -> None:
    if rule.action is None or rule.direction is None:
        missing = "action" if rule.action is None else "direction"
        raise InternalError(f"a rule has no {missing}", domain=_DOMAIN)
    if rule.priority is None or rule.priority not in _PRIORITIES:
        rule.priority = _RULE_PRIORITY
    if rule.statematch == "true":
        rule.statematch = None
    kinds = matches_of(rule)
    if len(kinds) > 1:
        raise InternalError(
            f"a rule chooses by one protocol, not by {' and '.join(kinds)}", domain=_DOMAIN
        )
    for protocol, found in kinds.items():
        found[:] = [_merged(found)]
        _normalize(protocol, found[0])


def matches_of(rule: FilterRule) -> dict[str, list[Match]]:
    """The elements by which a rule chooses, by their names in the model (``tcp_ipv6``)."""
    return {name: value for name, value in vars(rule).items() if isinstance(value, list) and value}


def _merged(matches: list[Match]) -> Match:
    """One element for several of a kind: what the later ones say wins."""
    first, *others = matches
    for other in others:
        for name, value in vars(other).items():
            if isinstance(value, str):
                setattr(first, name, value)
    return first


def _normalize(protocol: str, match: Match) -> None:
    if match.match == "yes":
        match.match = None
    for name, text in list(vars(match).items()):
        if isinstance(text, str) and name != "match":
            setattr(match, name, _value(protocol, name, text))
    if match.comment is not None:
        match.comment = match.comment.encode()[:_LONGEST_COMMENT].decode(errors="ignore")
    if match.match == "no" and not any(v for k, v in vars(match).items() if k != "match"):
        match.match = None  # all else than anything is nothing, which libvirt does not mean
    if isinstance(match, BridgedIp):
        _check_ports(match)
    if isinstance(match, Transport) and match.ipset is not None:
        match.ipsetflags = match.ipsetflags or "src"


def _check_ports(match: BridgedIp) -> None:
    ports = (match.srcportstart, match.srcportend, match.dstportstart, match.dstportend)
    if any(port is not None for port in ports) and match.protocol not in _WITH_PORTS:
        raise InternalError(
            "ports are for the protocols tcp, udp, sctp and 33 (dccp),"
            f" not for {match.protocol or 'all'}",
            domain=_DOMAIN,
        )


def _value(protocol: str, name: str, text: str) -> str:
    try:
        if text.startswith("$") and name != "comment":
            return variable(text)
        return reader(protocol, name)(text)
    except ValueError as exc:
        raise InternalError(
            f"{name.replace('_', '-')} has the value '{text}', where {exc} must stand",
            domain=_DOMAIN,
        ) from None
