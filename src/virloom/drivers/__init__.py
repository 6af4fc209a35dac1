# SPDX-License-Identifier: Apache-2.0
"""The drivers: sets of handlers, one per procedure that they serve."""
