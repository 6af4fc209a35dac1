# SPDX-License-Identifier: Apache-2.0
"""``<pm>``: which sleep states the guest is offered."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, group
from virloom.xml.kinds import YES_NO


class SleepState(Element):
    """``<suspend-to-mem enabled='no'/>``."""

    enabled: bool | None = attribute(YES_NO)


class Pm(Element):
    """``<pm>``."""

    suspend_to_mem: SleepState = group(SleepState, "suspend-to-mem")
    suspend_to_disk: SleepState = group(SleepState, "suspend-to-disk")
