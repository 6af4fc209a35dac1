# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes: what every driver that has them does with their documents."""
