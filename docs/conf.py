# SPDX-License-Identifier: Apache-2.0
"""Sphinx settings; warnings are errors (make docs, make check)."""

import sys
from importlib import import_module
from pathlib import Path

from virloom.daemons import FAMILY

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "Virloom"
copyright = "the Virloom authors, Apache-2.0"
extensions = [
    "tools.support_table",
    "tools.qemu_api_table",
    "tools.conf_table",
    "tools.error_table",
    "tools.difference_table",
    "tools.command_table",
    "tools.model_table",
    "tools.unrepresented",
]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "libvirt, renewed", "fixed_sidebar": True}
nitpicky = True

#: The manual page of each daemon is its page of the reference; its unit names it.
man_pages = [
    (f"reference/{name}", name, import_module(f"virloom.daemons.{name}").SPEC.description, [], 8)
    for name in (*FAMILY.values(), "libvirtd")
]
