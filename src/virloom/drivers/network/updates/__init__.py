# SPDX-License-Identifier: Apache-2.0
"""Changes of single parts of a network's document (``virNetworkUpdate``)."""
