# SPDX-License-Identifier: Apache-2.0
"""QEMU's command line: a pure translation of a complete domain."""
