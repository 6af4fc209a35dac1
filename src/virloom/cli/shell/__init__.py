# SPDX-License-Identifier: Apache-2.0
"""The command line that libvirt's clients know: its table, its syntax, its output."""
