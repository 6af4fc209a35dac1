# SPDX-License-Identifier: Apache-2.0
"""What all daemons share: sockets, clients, limits, signals and the way they end."""
