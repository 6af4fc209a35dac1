# SPDX-License-Identifier: Apache-2.0
"""The devices of the host: which there are, what they can do, and when they come and go."""
