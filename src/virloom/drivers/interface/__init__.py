# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the host: what every driver that has them does with their documents."""
