# SPDX-License-Identifier: Apache-2.0
"""Control groups: what of the host a guest may have, and what it has used.

``mounts`` reads where the host has its hierarchies, ``layout`` decides where a guest's groups are
in them, ``group`` makes, finds and removes them. ``v1`` and ``v2`` know the files of each version
behind one interface, ``backend``. A controller is used in whichever hierarchy the host has it.
"""
