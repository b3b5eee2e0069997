"""The parts of a quotation: text, emphasis and formulas, as the source documents mark them."""

import re
from collections.abc import Iterator
from typing import Final, Literal

Kind = Literal["text", "strong", "emphasis", "inline", "display"]
PARTS: Final = re.compile(
    r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>.+?)\$|\*\*(?P<strong>.+?)\*\*|\*(?P<emphasis>.+?)\*",
    re.DOTALL,
)
TAG: Final = re.compile(r"\s*\\tag\{\d+\}|\s*\\quad \(\d+\)")  # number of an equation


def parts(quotation: str) -> Iterator[tuple[Kind, str]]:
    """Yield the kind and the text of each part; white space is collapsed."""
    text = " ".join(quotation.split())
    end = 0
    for found in PARTS.finditer(text):
        if found.start() > end:
            yield "text", text[end : found.start()]
        end = found.end()
        (kind, inner), *_ = ((name, part) for name, part in found.groupdict().items() if part)
        yield kind, TAG.sub("", inner).strip() if kind == "display" else inner  # type: ignore[misc]
    if end < len(text):
        yield "text", text[end:]
