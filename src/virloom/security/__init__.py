# SPDX-License-Identifier: Apache-2.0
"""What keeps a guest from the host and from other guests: owners now, labels later."""
