"""The command `bnproof spectrum`: singular values of Gaussian products or of given weights."""

import io
import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum

FIGURES: Final = (".svg", ".png", ".pdf")
TABLES: Final = (".json", ".parquet")
PAPER: Final = {8: (1, 2, 3, 5), 9: (1, 2, 10), 20: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}  # M; ours
MOST: Final = 1_000  # factors that the law is checked for


def spectrum(
    *,
    factors: int | None = None,
    size: int = 1000,
    widths: str | None = None,
    field: Literal["real", "complex"] = "real",
    repeats: int = 10,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    layers: str | None = None,
    figure: Literal[8, 9, 20] | None = None,
    log: bool = False,
    out: tuple[Path, ...] = (Path("spectrum.svg"),),
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Singular values of a product of random or given matrices, beside the law of their widths.

    Parameters
    ----------
    factors
        Number M of square Gaussian factors, each with entries of variance 1/N.
    size
        Their size N.
    widths
        Layer widths n_0,n_1,...,n_M in place of --factors and --size: rectangular factors.
    field
        Entries real, or complex.
    repeats
        Number of products.
    source
        A .safetensors or .npz file with weight matrices of your own (out, in), in place of random
        ones: the spectrum of each, and of their product where they chain.
    layers
        Names of its matrices, input's first, separated by commas; all when not given.
    figure
        Figure 8, 9 or 20 of Bjorck et al., with the law mended and, dashed, as printed.
    log
        Show log10 of the singular values.
    out
        What to write: a figure (.svg, .png, .pdf), numbers (.json), every value (.parquet). May be
        given several times.
    seed
        Seed of everything random, 0 or larger.
    device
        Where PyTorch computes; auto takes a GPU if there is one.
    """
    from bnproof.commands import common
    from bnproof.scheduler import resources
    from bnproof.theory.common import files

    for path in out:
        if path.suffix not in (*FIGURES, *TABLES):
            raise UserError(f"--out {path}: end the name in {', '.join((*FIGURES, *TABLES))}")
        if path.suffix == ".parquet":
            common.require("pyarrow", extra="parquet")
        files.probe(path)
    valid_seed("--seed", seed)
    ways = {"--factors": factors, "--widths": widths, "--from": source, "--figure": figure}
    chosen = [name for name, value in ways.items() if value is not None]
    if len(chosen) != 1:
        raise UserError(f"give one of {', '.join(ways)}, not {' and '.join(chosen) or 'none'}")
    if figure == 8 and any(path.suffix in TABLES for path in out):
        raise UserError("--figure 8 draws laws and has no values; name a figure with --out")
    place = resources.device(device)
    if source is not None:
        spectra = _given(source, layers)
    else:
        spectra = _random(_chains(factors, size, widths, figure), field, repeats, seed, place)
    for found in spectra:
        print(_line(found))
    for path in out:
        _write(path, spectra, figure, log)
        print(path.resolve())
    return 0


def _chains(
    factors: int | None, size: int, widths: str | None, figure: int | None
) -> list[tuple[int, ...]]:
    """The widths of each product to draw."""
    if widths is not None:
        try:
            chain = tuple(int(width) for width in widths.split(","))
        except ValueError:
            raise UserError(f"--widths {widths}: give integers, such as 512,256,10") from None
        if len(chain) < 2 or min(chain) < 1:
            raise UserError(f"--widths {widths}: give two or more integers, each at least 1")
        return [chain]
    if size < 1:
        raise UserError(f"--size {size}: must be at least 1")
    numbers = PAPER[figure] if figure is not None else (factors or 0,)
    if not 1 <= min(numbers) <= max(numbers) <= MOST:
        raise UserError(f"--factors {factors}: must be an integer from 1 to {MOST}")
    return [(size,) * (number + 1) for number in numbers] if figure != 8 else []


def _random(
    chains: list[tuple[int, ...]], field: Any, repeats: int, seed: int, device: str
) -> "list[Spectrum]":
    from tqdm import tqdm

    from bnproof.simulate.random_matrices.spectra.cost import check_fits
    from bnproof.simulate.random_matrices.spectra.spectrum import sampled

    if repeats < 1:
        raise UserError(f"--repeats {repeats}: must be at least 1")
    for chain in chains:
        check_fits(chain, repeats, field, device=device)
    return [
        sampled(chain, repeats, kind=field, seed=seed, device=device)
        for chain in tqdm(chains, unit="product", leave=False, disable=None)
    ]


def _given(source: Path, layers: str | None) -> "list[Spectrum]":
    from bnproof.simulate.random_matrices.spectra.spectrum import given, read_matrices

    return given(read_matrices(source, layers.split(",") if layers else ()))


def _line(found: "Spectrum") -> str:
    numbers = found.numbers()
    digits = numbers["median of log10 of the condition number"]
    condition = "infinite" if digits is None else f"1e{digits:.1f}"
    gap = numbers["distance from the law, one product, mean"]
    chain = "-".join(map(str, _short(found.widths)))
    return (
        f"{found.name:24} widths {chain}  condition number {condition}  "
        f"distance from the law {gap:.3g}"
    )


def _short(widths: tuple[int, ...]) -> tuple[object, ...]:
    return widths if len(widths) <= 6 else (*widths[:2], "...", widths[-1])


def _write(path: Path, spectra: "list[Spectrum]", figure: int | None, log: bool) -> None:
    from bnproof.theory.common import files

    if path.suffix == ".json":
        content = [found.numbers() for found in spectra]
        files.write_text(path, json_module.dumps(content, indent=1, allow_nan=False) + "\n")
    elif path.suffix == ".parquet":
        files.write_bytes(path, _parquet(spectra))
    else:
        from bnproof.report import figures
        from bnproof.simulate.random_matrices.spectra import figures as draw

        if figure == 8:
            figures.write(path, lambda fig: draw.draw_laws(fig, PAPER[8]))
        elif figure == 20:
            figures.write(path, lambda fig: draw.draw_condition(fig, spectra))
        else:
            figures.write(path, lambda fig: draw.draw_spectra(fig, spectra, log=log))


def _parquet(spectra: "list[Spectrum]") -> bytes:
    """One row a singular value: spectrum, product, place from the largest, natural logarithm."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = {"spectrum": [], "product": [], "place": [], "log s": []}
    for found in spectra:
        products, count = found.logs.shape
        columns["spectrum"] += [found.name] * (products * count)
        columns["product"] += np.repeat(np.arange(products), count).tolist()
        columns["place"] += np.tile(np.arange(count), products).tolist()
        columns["log s"] += found.logs.ravel().tolist()
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
