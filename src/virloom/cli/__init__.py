# SPDX-License-Identifier: Apache-2.0
"""The ``virloom`` command."""
