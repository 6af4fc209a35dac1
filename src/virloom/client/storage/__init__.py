# SPDX-License-Identifier: Apache-2.0
"""Storage pools and their volumes."""
