# SPDX-License-Identifier: Apache-2.0
"""Documents that describe a processor alone: ``<cpu>``."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, XmlError
from virloom.model.cpu import HostCpu
from virloom.xml import parse_document
from virloom.xml.escape import escape


def parse_cpu(text: str) -> HostCpu:
    """The processor of a document.

    Raises:
        XmlError: It describes a host's and a guest's at once.
    """
    cpu = parse_document(HostCpu, text)
    if cpu.arch is not None and cpu.match is not None:
        raise XmlError("'arch' does not go with 'match'", domain=ErrorDomain.CPU)
    return cpu


def parse_cpus(texts: list[str]) -> list[HostCpu]:
    """The processors of some documents.

    Raises:
        InvalidArg: There is no document.
    """
    if not texts:
        raise InvalidArg("no CPUs given", domain=ErrorDomain.CPU)
    return [parse_cpu(text) for text in texts]


def cpu_document(
    model: str, fallback: str, vendor: str | None, features: list[tuple[str, str]]
) -> str:
    """The document of a guest's processor: a model, and features with their policies."""
    lines = ["<cpu mode='custom' match='exact'>"]
    lines.append(f"  <model fallback='{fallback}'>{escape(model)}</model>")
    if vendor is not None:
        lines.append(f"  <vendor>{escape(vendor)}</vendor>")
    lines += [f"  <feature policy='{policy}' name='{name}'/>" for name, policy in features]
    return "\n".join([*lines, "</cpu>", ""])
