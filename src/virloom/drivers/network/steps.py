# SPDX-License-Identifier: Apache-2.0
"""The steps of a network's start and stop, by name, so that tests can order a kill at each one.

They are announced as those of other work are (:mod:`virloom.drivers.runtime.steps`).
"""

from __future__ import annotations

#: In order.
START_STEPS = (
    "intent-recorded",
    "bridge-noted",
    "bridge-made",
    "rules-made",
    "dnsmasq-started",
    "traffic-limited",
    "active-recorded",
)
CHANGE_STEPS = ("change-made",)
STOP_STEPS = ("stopping-recorded", "dnsmasq-stopped", "rules-removed", "bridge-removed")
