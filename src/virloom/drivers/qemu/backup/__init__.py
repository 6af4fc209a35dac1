# SPDX-License-Identifier: Apache-2.0
"""Backups of running guests: copies of their disks as they were at one moment."""
