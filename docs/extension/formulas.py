"""Formulas as SVG in the page, drawn by `ledger.formula`: no script, nothing from the network."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from ledger.formula import FormulaError, Sheet, draw

LOG = logging.getLogger(__name__)
SHEETS: dict[str, Sheet] = {}  # by page; a page is written by one process


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    _write(writer, node, lambda sheet, latex: sheet.svg(latex))


def block(writer: Any, node: nodes.math_block) -> None:
    """Write a displayed formula, or the paragraph that a statement in prose is."""
    _write(writer, node, lambda sheet, latex: sheet.formula(latex))


def _write(writer: Any, node: nodes.Element, formula: Any) -> None:
    latex = node.astext().strip()
    sheet = SHEETS.setdefault(writer.builder.current_docname, Sheet())
    if "array" not in latex:  # prose is taken apart first
        try:
            draw(latex)
        except FormulaError as error:
            LOG.warning("%s", error, location=node)
    writer.body.append(str(formula(sheet, latex)))
    raise nodes.SkipNode


def add_sheet(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Put the shapes that the formulas of a page refer to in front of its text."""
    sheet = SHEETS.pop(page, None)
    if sheet is not None:
        context["body"] = str(sheet.definitions()) + context["body"]


def setup(app: Sphinx) -> None:
    """Enter the renderer under the name ``svg``."""
    app.add_html_math_renderer(
        "svg", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    app.connect("html-page-context", add_sheet)
