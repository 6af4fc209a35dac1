# SPDX-License-Identifier: Apache-2.0
"""The QEMU process of a guest: start, supervision, stop and take-over."""
