# SPDX-License-Identifier: Apache-2.0
"""libvirt's RPC protocol without any I/O: bytes in, messages out, one core for both ends.

``xdr`` encodes records, ``packet`` cuts the byte stream into messages, ``connection`` keeps the
state of one end. Sockets belong to ``virloom.transport``.
"""
