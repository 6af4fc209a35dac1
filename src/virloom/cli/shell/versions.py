# SPDX-License-Identifier: Apache-2.0
"""Versions as libvirt counts them."""

from __future__ import annotations


def version_text(number: int) -> str:
    """1,000,000 * major + 1,000 * minor + release as ``major.minor.release``."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
