# SPDX-License-Identifier: Apache-2.0
"""``libvirt-guests``: guests go down with the host, and come back with it."""
