# SPDX-License-Identifier: Apache-2.0
"""The JSON properties of each device, shared by start and hotplug."""
