# SPDX-License-Identifier: Apache-2.0
"""The rules of a network in the host's packet filter: what may pass to and from its guests."""
