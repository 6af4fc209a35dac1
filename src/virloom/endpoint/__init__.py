# SPDX-License-Identifier: Apache-2.0
"""Where a call goes: to a driver in this process, over a wire, or on through a relay."""
