# SPDX-License-Identifier: Apache-2.0
"""The host's ends of network cards: taps, and the ports of networks that they are connected to."""
