# SPDX-License-Identifier: Apache-2.0
"""What all drivers share: objects, jobs, events and files."""
