# SPDX-License-Identifier: Apache-2.0
"""The async client: the only one that is written by hand.

It stands on an :class:`~virloom.endpoint.endpoint.Endpoint` and does not know where the driver
runs. ``virloom.sync`` is generated from it.
"""
