"""What the documentation needs of Sphinx beyond its own: formulas, claim pages, gallery, commands.

Everything is made at build time, from the claims' files and from published measurements, by nodes
of the document tree.  No markup is pieced together, so no text of a claim can become markup.
"""

from typing import Any

from sphinx.application import Sphinx

from extension import commands, formulas, gallery, science


def setup(app: Sphinx) -> dict[str, Any]:
    """Enter all parts; called by Sphinx."""
    for part in (formulas, science, gallery, commands):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
