# SPDX-License-Identifier: Apache-2.0
"""Virtual networks: what every driver that has them does with their documents."""
