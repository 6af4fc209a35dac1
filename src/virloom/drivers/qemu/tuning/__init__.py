# SPDX-License-Identifier: Apache-2.0
"""Changes of a domain by its threads: vCPUs, where they run, threads for input and output."""
