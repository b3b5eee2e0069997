"""The documents whose statements are examined, and locators into them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Document:
    """One source document: authors, title, year, and where it can be found."""

    authors: str
    title: str
    year: int
    where: str = ""


DOCUMENTS: Final = {
    "S0": Document(
        "A. Ilyas, S. Santurkar, D. Tsipras, A. Madry",
        "How Does Batch Normalization Help Optimization? (slides)",
        2018,
    ),
    "S1": Document(
        "D. Cai, S. Wei",
        "STAD80 Final Project: Research on ideologies of Batch Normalization (report)",
        2020,
    ),
    "S2": Document(
        "reading group",
        "Notes for 'How Does Batch Normalization Help Optimization?' (reading notes)",
        2018,
    ),
    "S3": Document(
        "J. Bjorck, C. Gomes, B. Selman, K. Q. Weinberger",
        "Understanding Batch Normalization (NeurIPS print)",
        2018,
        "arXiv:1806.02375",
    ),
    "S4": Document(
        "M. Kariya",
        "Training Neural nets through BatchNorm: Challenging a 2015 study (blog post)",
        2018,
    ),
    "A18": Document(
        "S. Santurkar, D. Tsipras, A. Ilyas, A. Madry",
        "How Does Batch Normalization Help Optimization?",
        2018,
        "arXiv:1805.11604",
    ),
    "derived": Document("bnproof", "derived or completed here, not printed in any source", 2026),
}


@dataclass(frozen=True)
class Source:
    """A place in a document, such as ``Source("A18", "Theorem 4.1")``.

    Raises
    ------
    ValueError
        If `document` is not a key of `DOCUMENTS` or `locator` is empty.
    """

    document: str
    locator: str

    def __post_init__(self) -> None:
        if self.document not in DOCUMENTS:
            known = ", ".join(DOCUMENTS)
            raise ValueError(f"document {self.document!r}: must be one of {known}")
        if not self.locator.strip():
            raise ValueError(
                f"source {self.document}: give a locator, such as a theorem, an equation or a page"
            )

    def __str__(self) -> str:
        return f"{self.document}, {self.locator}"
