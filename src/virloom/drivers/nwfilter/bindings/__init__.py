# SPDX-License-Identifier: Apache-2.0
"""Filters at work on guests' ports: their documents, records, and rules in the kernel."""
