# SPDX-License-Identifier: Apache-2.0
"""``make fuzz``: hostile bytes for whatever reads what others send (atheris)."""
