# SPDX-License-Identifier: Apache-2.0
"""The daemons: each names its driver and its sockets; the rest is :mod:`virloom.daemon`."""

from __future__ import annotations

from collections.abc import Mapping

#: The daemons that run side by side, by the word of ``virloom daemons --only``; in the order in
#: which they are started. ``libvirtd`` is all but the proxy in one, and so none of them.
FAMILY: Mapping[str, str] = {
    "log": "virtlogd",
    "lock": "virtlockd",
    "secret": "virtsecretd",
    "interface": "virtinterfaced",
    "nodedev": "virtnodedevd",
    "nwfilter": "virtnwfilterd",
    "network": "virtnetworkd",
    "storage": "virtstoraged",
    "qemu": "virtqemud",
    "proxy": "virtproxyd",
}

#: Those that serve nobody but the host: a user has no packet filters.
OF_THE_HOST = frozenset(("nwfilter",))

#: Those that the others need as soon as they start guests.
HELPERS = frozenset(("log", "lock", "secret", "nwfilter", "network", "storage"))
