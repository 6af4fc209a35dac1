# SPDX-License-Identifier: Apache-2.0
"""What of the host a guest may have: its control groups, and the parameters that change them."""
