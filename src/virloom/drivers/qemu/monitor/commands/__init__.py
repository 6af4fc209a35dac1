# SPDX-License-Identifier: Apache-2.0
"""QEMU's commands as functions, by area; each takes a connected :class:`Monitor`.

What QEMU says is foreign data: an answer of another form than documented raises InternalError.
"""
