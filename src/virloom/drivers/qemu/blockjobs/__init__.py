# SPDX-License-Identifier: Apache-2.0
"""Block jobs: QEMU copies images while the guest runs, and we change what its disks are made of."""
