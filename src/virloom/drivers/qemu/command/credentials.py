# SPDX-License-Identifier: Apache-2.0
"""Certificates of QEMU's own end of a connection."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.context import BuildContext


def tls_credentials(context: BuildContext, name: str, *, endpoint: str = "client") -> Props:
    """The object *name* with the host's certificates; a client checks whom it talks to."""
    return {
        "qom-type": "tls-creds-x509",
        "id": name,
        "dir": context.tls_dir,
        "endpoint": endpoint,
        "verify-peer": endpoint == "client",
    }
