# SPDX-License-Identifier: Apache-2.0
"""Ports of networks: what each guest's interface gets of the network that it is connected to."""
