# SPDX-License-Identifier: Apache-2.0
"""Where a user's own daemons have their sockets."""

from __future__ import annotations

import os


def session_run() -> str:
    """``$XDG_RUNTIME_DIR/libvirt``; without that variable it is below the user's cache."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime:
        runtime = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{runtime}/libvirt"
