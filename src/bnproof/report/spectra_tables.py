"""Numbers of spectra as tables."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum


def as_csv(numbers: Sequence[Mapping[str, object]]) -> bytes:
    """A row per spectrum; a list of numbers is separated by spaces."""
    columns = list(dict.fromkeys(name for row in numbers for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in numbers:
        cells = {
            name: " ".join(map(str, value)) if isinstance(value, list) else value
            for name, value in row.items()
        }
        writer.writerow(cells)
    return text.getvalue().encode()


def as_parquet(spectra: "Sequence[Spectrum]", numbers: Sequence[Mapping[str, object]]) -> bytes:
    """A row per product: its numbers, and ``log s``, the list of logarithms of its values.

    Rows of `numbers` beyond the spectra tell what was left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        dict(row) | {"product": product, "log s": logs.tolist()}
        for spectrum, row in zip(spectra, numbers, strict=False)
        for product, logs in enumerate(spectrum.logs)
    ]
    rows += map(dict, numbers[len(spectra) :])
    names = dict.fromkeys(name for row in rows for name in row)
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    return buffer.getvalue()
