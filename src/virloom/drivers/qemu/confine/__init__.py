# SPDX-License-Identifier: Apache-2.0
"""What keeps a guest's QEMU from the host: its own ``/dev``, limits, owners and labels of files."""
