# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.bench``: how fast the embedded driver is, beside bare QEMU and libvirt 9.

Everything measured runs in programs of its own (``sides``), below one child subreaper, and in
turn: a busy moment of the machine hits all of them alike. A benchmark prints and never fails.
"""
