# SPDX-License-Identifier: Apache-2.0
"""The guest agent: a program inside the guest that does things for its host, and is not trusted."""
