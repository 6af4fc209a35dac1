# SPDX-License-Identifier: Apache-2.0
"""What the host gives: files, locks, processes, descriptors.

Nothing here knows guests or hypervisors. Modules that the guardian and the spawn helper load
(:mod:`~virloom.host.identity`, :mod:`~virloom.host.liveness`, :mod:`~virloom.host.release`) import
the standard library only, and this file imports nothing at all.
"""
