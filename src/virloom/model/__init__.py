# SPDX-License-Identifier: Apache-2.0
"""The document types as typed objects."""
