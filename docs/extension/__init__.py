"""Sphinx extension: formulas, claim pages, gallery and command help.

Content is generated at build time from the claim files and published measurements.  It is built as
document-tree nodes instead of markup, so that text of a claim cannot be interpreted as markup.
"""

from typing import Any

from sphinx.application import Sphinx

from extension import commands, formulas, gallery, science, trends


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all parts; called by Sphinx."""
    for part in (formulas, science, gallery, trends, commands):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
