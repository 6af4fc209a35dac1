# SPDX-License-Identifier: Apache-2.0
"""What is found out about a host, for ``virloom doctor`` and ``virt-host-validate``."""
