"""Render formulas as inline SVG, which needs neither scripts nor the network."""

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from bnproof.report.formulas import FormulaRenderer

LOG = logging.getLogger(__name__)
RENDERERS: dict[str, FormulaRenderer] = {}  # by page; each page is written by one process


def inline(writer: Any, node: nodes.math) -> None:
    """Write an inline formula."""
    _write(writer, node, FormulaRenderer.svg)


def block(writer: Any, node: nodes.math_block) -> None:
    """Write a display formula, or a statement in prose as a paragraph."""
    _write(writer, node, FormulaRenderer.formula)


def _write(writer: Any, node: nodes.Element, draw: Callable[[FormulaRenderer, str], str]) -> None:
    latex = node.astext().strip()
    renderer = RENDERERS.setdefault(writer.builder.current_docname, FormulaRenderer())
    html = str(draw(renderer, latex))
    if "<code>" in html:
        LOG.warning("cannot draw the formula %r", latex, location=node)
    writer.body.append(html)
    raise nodes.SkipNode


def add_font(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Add the font of the formulas to a page."""
    renderer = RENDERERS.pop(page, None)
    if renderer is not None:
        context["body"] = f"<style>{renderer.style()}</style>{context['body']}"


def setup(app: Sphinx) -> None:
    """Register the renderer as ``svg``."""
    app.add_html_math_renderer(
        "svg", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    app.connect("html-page-context", add_font)
