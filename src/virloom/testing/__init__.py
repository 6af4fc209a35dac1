# SPDX-License-Identifier: Apache-2.0
"""What tests stand on: tiny guests to boot, and a libvirt with faults to order (``served``)."""
