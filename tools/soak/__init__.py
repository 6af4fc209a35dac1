# SPDX-License-Identifier: Apache-2.0
"""The daemons killed over and over, under load, with guests and clients running: figures."""
