# SPDX-License-Identifier: Apache-2.0
"""Virtual networks, their ports and leases."""
