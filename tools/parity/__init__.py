# SPDX-License-Identifier: Apache-2.0
"""Documents, given to libvirt 9 and to Virloom, and what each makes of them (``make parity``)."""
