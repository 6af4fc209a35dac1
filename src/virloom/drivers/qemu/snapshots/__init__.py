# SPDX-License-Identifier: Apache-2.0
"""Snapshots: a guest's disks, and its memory, as they were."""
