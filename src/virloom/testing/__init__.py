# SPDX-License-Identifier: Apache-2.0
"""What tests, the demo and the benchmarks stand on: tiny guests to boot."""
