# SPDX-License-Identifier: Apache-2.0
"""The test driver: a whole host in memory, for those who write programs that use libvirt."""
