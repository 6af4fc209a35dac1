# SPDX-License-Identifier: Apache-2.0
"""The side programs, which scripts call: libvirt's names, options, output words, exit codes."""
