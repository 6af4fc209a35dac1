# SPDX-License-Identifier: Apache-2.0
"""The relay: calls for an area that another daemon serves, passed on as bytes."""
