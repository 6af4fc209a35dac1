# SPDX-License-Identifier: Apache-2.0
"""The secret driver: what secrets there are, what for, and their values."""
