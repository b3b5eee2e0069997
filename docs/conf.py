"""Sphinx configuration; `make docs` builds offline, with warnings as errors."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # contains the package `extension`

project = "bnproof"
author = "the bnproof developers"
copyright = author
version = release = installed("bnproof")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "extension",
]
exclude_patterns = ["extension", "**/__pycache__"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # quoted text is literal

html_theme = "pydata_sphinx_theme"
html_title = "bnproof"
html_sidebars = {page: [] for page in ("index", "tutorial", "gallery", "architecture")}
html_static_path = ["static"]
html_css_files = ["bnproof.css"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "svg"
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "collapse_navigation": True,  # listing all claims on each page would double the size
    "navigation_depth": 3,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
}

default_role = "py:obj"  # names in single backticks in docstrings become links where possible
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_use_rtype = False
