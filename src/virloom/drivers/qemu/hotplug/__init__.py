# SPDX-License-Identifier: Apache-2.0
"""Devices that come and go: in the persistent document, and in a guest that runs."""
