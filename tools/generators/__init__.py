# SPDX-License-Identifier: Apache-2.0
"""Each module renders one family of generated sources from data/protocol."""
