# SPDX-License-Identifier: Apache-2.0
"""Which release of libvirt we answer to be: the last whose whole surface is served."""

from __future__ import annotations

#: As ``virGetVersion`` numbers releases: 1,000,000 times major + 1,000 times minor + release.
LIB_VERSION = 9_000_000
