# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: since when the changes of a guest's disks are known."""
