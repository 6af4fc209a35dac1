# SPDX-License-Identifier: Apache-2.0
"""Network filters: their documents, and those that every host has."""
