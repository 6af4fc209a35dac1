# SPDX-License-Identifier: Apache-2.0
"""Documents that nobody wrote: devices of the corpus, put together by Hypothesis."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tools.parity.documents import written

_MACHINES = ("pc", "q35")


def fragments(documents: dict[str, str]) -> list[str]:
    """The devices of PC guests in *documents*, each once; refusals are left out."""
    found: dict[str, None] = {}
    for name, text in documents.items():
        if "refused" in name or name.startswith(("arch-", "guests/", "malformed/")):
            continue
        devices = ElementTree.fromstring(text).find("devices")
        for device in devices if devices is not None else ():
            if device.tag != "emulator":
                found[ElementTree.tostring(device, encoding="unicode").strip()] = None
    return list(found)


def generated(count: int, start: int = 0) -> dict[str, str]:
    """*count* documents, as ``generated/NUMBER``; the same ones for the same *start*."""
    devices = fragments(written())
    made: dict[str, str] = {}

    @seed(start)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(_MACHINES),
        st.lists(st.sampled_from(devices), min_size=1, max_size=6, unique=True),
        st.integers(32, 4096),
    )
    def collect(machine: str, chosen: list[str], mebibytes: int) -> None:
        number = len(made)
        made[f"generated/{number}"] = (
            f"<domain type='qemu'><name>generated-{number}</name>"
            f"<uuid>8f3c0f2e-5a51-4b59-9d3c-{number:012x}</uuid>"
            f"<memory unit='MiB'>{mebibytes}</memory><os><type arch='x86_64' "
            f"machine='{machine}'>hvm</type></os><features><acpi/></features>"
            f"<devices>{''.join(chosen)}</devices></domain>"
        )

    collect()
    return made
