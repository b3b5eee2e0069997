"""Formulas as SVG in the page, drawn by `report.formulas`: no script, nothing from the network."""

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from bnproof.report.formulas import Sheet

LOG = logging.getLogger(__name__)
SHEETS: dict[str, Sheet] = {}  # by page; a page is written by one process


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    _write(writer, node, Sheet.svg)


def block(writer: Any, node: nodes.math_block) -> None:
    """Write a displayed formula, or the paragraph that a statement in prose is."""
    _write(writer, node, Sheet.formula)


def _write(writer: Any, node: nodes.Element, draw: Callable[[Sheet, str], str]) -> None:
    latex = node.astext().strip()
    drawn = str(draw(SHEETS.setdefault(writer.builder.current_docname, Sheet()), latex))
    if "<code>" in drawn:
        LOG.warning("cannot draw the formula %r", latex, location=node)
    writer.body.append(drawn)
    raise nodes.SkipNode


def add_sheet(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Put the font of a page's formulas in front of its text."""
    sheet = SHEETS.pop(page, None)
    if sheet is not None:
        context["body"] = f"<style>{sheet.style()}</style>{context['body']}"


def setup(app: Sphinx) -> None:
    """Enter the renderer under the name ``svg``."""
    app.add_html_math_renderer(
        "svg", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    app.connect("html-page-context", add_sheet)
