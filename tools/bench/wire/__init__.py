# SPDX-License-Identifier: Apache-2.0
"""virtqemud beside a private libvirtd 9.0.0, both driven by the same load generator in C."""
