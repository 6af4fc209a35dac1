# SPDX-License-Identifier: Apache-2.0
"""Guests that are saved to files, and go on from them."""
