# SPDX-License-Identifier: Apache-2.0
"""How long a document of two hundred elements takes to the model and back to text."""

from __future__ import annotations

import time
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path

from tools.bench.table import list_table, median_ms, milliseconds
from virloom.model.domain import Domain
from virloom.xml import format_document, parse_document

_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
    "<source file='/srv/{n}.qcow2'/><target dev='vd{letter}' bus='virtio'/><serial>s{n}</serial>"
    "<boot order='{n}'/><address type='pci' domain='0' bus='{n}' slot='0' function='0'/></disk>"
)
_CARD = (
    "<interface type='bridge'><mac address='52:54:00:00:00:{n:02x}'/><source bridge='br0'/>"
    "<model type='virtio'/><driver name='vhost' queues='4'/>"
    "<address type='pci' domain='0' bus='{n}' slot='1' function='0'/></interface>"
)
_HEAD = (
    "<domain type='kvm'><name>large</name><memory unit='GiB'>8</memory><vcpu>8</vcpu>"
    "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/><apic/></features>"
    "<devices>"
)
#: Milliseconds that the parse and the formatting of 200 elements may take.
GOALS = {"to the model": "1", "to text": "0.5"}
ELEMENTS = 200


def large_document() -> str:
    """A document of about :data:`ELEMENTS` elements, as a guest with many disks and cards has."""
    text, number = _HEAD, 0
    while text.count("</") + text.count("/>") < ELEMENTS - 10:
        number += 1
        text += _DISK.format(n=number, letter=chr(ord("a") + number)) + _CARD.format(n=number)
    return f"{text}</devices></domain>"


def document(_directory: Path, count: int) -> str:
    """Medians of *count* rounds, and the standard library's parser beside them."""
    text = large_document()
    model = parse_document(Domain, text)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("to the model", lambda: parse_document(Domain, text)),
        ("to text", lambda: format_document(model)),
        ("a copy", model.copy),
        ("floor: ElementTree", lambda: xml.etree.ElementTree.fromstring(text)),
    ]
    rows = [
        [what, milliseconds(_median(step, max(count, 50))), GOALS.get(what, "")]
        for what, step in steps
    ]
    elements = len(list(xml.etree.ElementTree.fromstring(text).iter()))
    title = f"A document of {elements} elements, {len(text)} characters (ms, medians)"
    return list_table(title, ["what", "time", "goal"], rows)


def _median(step: Callable[[], object], count: int) -> float | None:
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        samples.append(time.perf_counter() - start)
    return median_ms(samples)
