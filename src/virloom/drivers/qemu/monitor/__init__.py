# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor: the QMP codec, the connection, its events and its commands."""

from __future__ import annotations

from virloom.drivers.qemu.monitor.client import Monitor, QmpError
from virloom.drivers.qemu.monitor.protocol import Event, Limits, ProtocolViolation

__all__ = ["Event", "Limits", "Monitor", "ProtocolViolation", "QmpError"]
