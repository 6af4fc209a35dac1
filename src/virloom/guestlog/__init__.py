# SPDX-License-Identifier: Apache-2.0
"""The logs of guests: pipes that end in files of bounded size."""
