"""Helpers to build a document tree.  Strings are plain text and never parsed as markup."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from docutils import nodes
from sphinx import addnodes

from bnproof.report.quotation import parts

Inline: TypeAlias = nodes.Node | str


def inlines(parts: Iterable[Inline]) -> list[nodes.Node]:
    """Convert strings to text nodes."""
    return [nodes.Text(part) if isinstance(part, str) else part for part in parts]


def code(text: str) -> nodes.literal:
    """Return text in a fixed-width font."""
    return nodes.literal("", text)


def paragraph(*parts: Inline, name: str = "") -> nodes.paragraph:
    """Return a paragraph, with the CSS class `name` if given."""
    return nodes.paragraph("", "", *inlines(parts), classes=[name] if name else [])


def section(title: str, *body: nodes.Node) -> nodes.section:
    """Return a section with a title, from which its anchor is derived."""
    anchor = nodes.make_id(title) or "section"
    return nodes.section("", nodes.title("", "", nodes.Text(title)), *body, ids=[anchor])


def bullets(items: Iterable[Sequence[Inline]]) -> nodes.bullet_list:
    """Return a bullet list with one paragraph per item."""
    return nodes.bullet_list(
        "", *(nodes.list_item("", paragraph(*item)) for item in items), bullet="-"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[Inline]]) -> nodes.container:
    """Return a table that scrolls horizontally on narrow screens."""
    body = nodes.tbody("", *(_row(row) for row in rows))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))
    group += [nodes.thead("", _row(heads)), body]
    whole = nodes.table("", group, classes=["table"])
    return nodes.container("", whole, classes=["pst-scrollable-table-container"])


def _row(cells: Sequence[Inline]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def formula(latex: str) -> nodes.math_block:
    """Return a display formula."""
    block = nodes.math_block(latex, latex, number=None, label=None)
    block["no-wrap"] = False
    return block


def quotation(quoted: str) -> list[nodes.Node]:
    """Return a quotation with its emphasis and formulas."""
    inline: list[Inline] = []
    blocks: list[nodes.Node] = []
    for kind, part in parts(quoted):
        if kind == "display":
            blocks += [*([paragraph(*inline)] if inline else []), formula(part)]
            inline = []
        else:
            inline.append(INLINE[kind](part))
    return [nodes.block_quote("", *blocks, *([paragraph(*inline)] if inline else []))]


INLINE: Final[Mapping[str, Callable[[str], Inline]]] = {
    "text": nodes.Text,
    "strong": lambda text: nodes.strong("", text),
    "emphasis": lambda text: nodes.emphasis("", text),
    "inline": lambda latex: nodes.math(latex, latex),
}


def page(target: str, text: str, *, literal: bool = True) -> addnodes.pending_xref:
    """Return a link to a page, given by its path from the root; a missing page gives a warning."""
    inner = code(text) if literal else nodes.inline("", text)
    return addnodes.pending_xref(
        "", inner, refdomain="std", reftype="doc", reftarget=target, refexplicit=True, refwarn=True
    )


def folded(summary: str, *body: nodes.Node) -> list[nodes.Node]:
    """Return collapsible content; `summary` must be trusted text, as it is not escaped."""
    start = nodes.raw("", f"<details><summary>{summary}</summary>", format="html")
    return [start, *body, nodes.raw("", "</details>", format="html")]
