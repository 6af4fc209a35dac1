# SPDX-License-Identifier: Apache-2.0
"""Memory that a guest takes as it is asked to."""

from __future__ import annotations

from virloom.drivers.qemu.tuning.flexible import at_most, note_size, taken
from virloom.model.domain import Domain
from virloom.xml import parse_document

DOMAIN = """<domain type='qemu'><name>d</name><memory>400000</memory>
<currentMemory>100000</currentMemory><devices>
<memory model='dimm'><target><size>65536</size></target><alias name='dimm0'/></memory>
<memory model='virtio-mem'><target><size>131072</size><current>2048</current></target>
<alias name='virtiomem0'/></memory></devices></domain>"""


def test_what_is_taken_counts_as_the_guest_s_memory() -> None:
    dom = parse_document(Domain, DOMAIN)
    assert (at_most(dom), taken(dom)) == (131072, 2048)
    assert note_size(dom, "virtiomem0", (4096 << 10) - 1) == 4096
    assert (taken(dom), dom.current_memory) == (4096, 100000 + 2048)
    assert note_size(dom, "virtiomem0", 0) == 0
    assert (taken(dom), dom.current_memory) == (0, 100000 - 2048)


def test_other_modules_are_left_alone() -> None:
    dom = parse_document(Domain, DOMAIN)
    assert note_size(dom, "dimm0", 1 << 30) is None
    assert note_size(dom, "virtiomem7", 1 << 30) is None
    assert dom.current_memory == 100000
