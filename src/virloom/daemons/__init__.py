# SPDX-License-Identifier: Apache-2.0
"""The daemons: each names its driver and its sockets; the rest is :mod:`virloom.daemon`."""
