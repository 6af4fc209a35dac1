# SPDX-License-Identifier: Apache-2.0
"""libvirt's constants as enums, one generated module per area, imported when first needed."""
