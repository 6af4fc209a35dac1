# SPDX-License-Identifier: Apache-2.0
"""What every driver of ours says it can do beyond the calls themselves."""

from __future__ import annotations

#: Numbers of ``CONNECT_SUPPORTS_FEATURE``, as libvirt 9.0.0 answers for every driver: descriptors
#: (8), typed parameters with strings (9), long options of migration (10), callback ids of domain
#: events (14), close callbacks (15), and the arguments of ``NETWORK_UPDATE`` in the order in which
#: they are documented (16): without it clients exchange command and section.
FEATURES = frozenset({8, 9, 10, 14, 15, 16})
