# SPDX-License-Identifier: Apache-2.0
"""Programs for people who work on Virloom: generators, checks, benchmarks."""
