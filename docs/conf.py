"""Settings of the documentation; `make docs` builds it, offline, with warnings as errors."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where `extension` is found

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
smartquotes = False  # what stands in quotes here is quoted

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
    "collapse_navigation": True,  # else each page lists all claims, which doubles the build
    "navigation_depth": 3,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
}

default_role = "py:obj"  # single quotes of a docstring: a link where there is something to link
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_use_rtype = False
