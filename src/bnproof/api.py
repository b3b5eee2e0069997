"""The Python interface: `verify` claims and compute the `spectrum` of weight matrices."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bnproof.theory.claim import KERNELS, Claim, Scale, Settings
from bnproof.theory.common.errors import UserError, one_of, valid_seed
from bnproof.theory.loading import LoadError, flaw_of
from bnproof.verdicts import Result, Results

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum

    Matrix = NDArray[Any] | Tensor

DEVICES: Final = ("auto", "cpu", "cuda")


def settings(
    scale: str,
    device: str,
    seed: int,
    data: str | Path | None,
    memory: int | str,
    kernel: str,
) -> Settings:
    """Validate the options of a verification.

    The data are opened here, so that a folder without images fails before anything is computed.

    Raises
    ------
    UserError
        If a value is out of range, the requested GPU or kernel is missing, or `data` holds no
        images.
    """
    from bnproof.scheduler.resources import device as resolve_device
    from bnproof.simulate.memory import asked

    one_of("scale", scale, tuple(Scale))
    one_of("device", device, DEVICES)
    valid_seed("seed", seed)
    one_of("kernel", kernel, KERNELS)
    if kernel == "coq":
        from bnproof.theory.kernel.coq import find

        find()
    folder = None
    if data is not None:
        from bnproof.empirical.data.load import load, locate
        from bnproof.empirical.trial import POOL

        folder = Path(locate(data))
        load(folder, limit=POOL)
    return Settings(
        scale=Scale(scale),
        device=resolve_device(device),
        seed=seed,
        data=folder,
        memory=asked(str(memory)),
        kernel=kernel,
    )


def verify(
    *claims: str | Claim,
    scale: str = "quick",
    data: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    memory: int | str = "1G",
    kernel: str = "sympy",
    folder: str | Path | None = None,
) -> Results:
    """Verify claims of the catalogue or your own claims.

    All checks of a claim are run, and the verdict is computed from their evidence.  The command
    ``bnproof verify`` does the same and also writes a report with figures.

    Parameters
    ----------
    *claims
        Ids, such as ``"santurkar_4_1"``, or `Claim` objects.  By default all claims of the
        catalogue (which takes minutes) or, if `folder` is given, all claims of that folder.
    scale
        ``"smoke"`` takes seconds per claim, ``"quick"`` minutes for all claims on two cores;
        ``"long"`` and ``"paper"`` take hours: see `bnproof.theory.claim.Scale`.
    data
        Images: photos or digits (embedded), cifar10 (downloaded once), or a folder with CIFAR-10
        (Parquet files or the official binary archive).  By default the embedded data are used.
    device
        Device for PyTorch: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    seed
        Random seed, 0 to 2**32 - 1.
    memory
        Memory limit for a batch of random networks, in bytes or with a suffix K, M, G or T.  It
        does not affect which networks are drawn.
    kernel
        Proof checker: ``"sympy"``, or ``"coq"`` to check proofs and counterexamples with Coq as
        well, which must be installed.  A proof that Coq rejects does not count.
    folder
        Folder of your own claim files, to be found by id like those of the catalogue.  They are
        executed: use only files that you trust.

    Returns
    -------
    Results
        A `Result` for each id, in the order of `claims`.  A claim whose code fails has an
        ``error`` and no verdict.

    Raises
    ------
    UserError
        (A `ValueError`.)  If an option is out of range, an id is unknown or repeated, or a `Claim`
        is incomplete.

    Examples
    --------
    >>> import bnproof
    >>> results = bnproof.verify("report_3_4", scale="smoke", device="cpu")
    >>> results["report_3_4"].verdict
    <Verdict.REFUTED: 'refuted'>
    >>> results["report_3_4"].evidence[0].summary
    'At y = (-1, 1), eps = 0, gamma = 1 the statement would say 5 <= 0, which is false.'
    >>> results.as_expected
    True
    """
    from tqdm import tqdm

    from bnproof.verification import failed
    from bnproof.verification import verify as run

    chosen = settings(scale, device, seed, data, memory, kernel)
    entries = _entries(claims, None if folder is None else Path(folder))
    with tempfile.TemporaryDirectory() as figures:  # discarded: only the report shows them
        records = (
            run(entry, chosen, Path(figures))
            if isinstance(entry, Claim)
            else failed(entry, entry.error)
            for entry in entries
        )
        progress = tqdm(records, total=len(entries), unit="claim", leave=False, disable=None)
        return Results([Result.from_record(record) for record in progress])


def _entries(claims: Sequence[str | Claim], folder: Path | None) -> list[Claim | LoadError]:
    """Return the requested claims, in order."""
    from bnproof.catalogue import select

    if not claims:
        return select((), folder)
    ids = [claim.id if isinstance(claim, Claim) else claim for claim in claims]
    repeated = next((name for name in ids if ids.count(name) > 1), None)
    if repeated is not None:
        raise UserError(f"{repeated}: is given twice; name each claim once")
    names = [claim for claim in claims if isinstance(claim, str)]
    by_id = {entry.id: entry for entry in select(names, folder)} if names else {}
    for claim in claims:
        if isinstance(claim, Claim):
            flaw = flaw_of(claim, claim.id)
            if flaw is not None:
                raise UserError(f"{claim.id}: {flaw}")
            by_id[claim.id] = claim
    return [by_id[name] for name in ids]


def spectrum(weights: "Matrix | Sequence[Matrix] | Mapping[str, Matrix]") -> "list[Spectrum]":
    """Compute singular values of weight matrices and compare them with the law of random ones.

    Each matrix is first rescaled so that the mean square of its entries is 1/n, where n is the
    number of columns; ratios of singular values are unchanged.  The law is the limiting law of a
    Gaussian matrix on this scale.

    Parameters
    ----------
    weights
        One matrix of shape (out, in), as in PyTorch's linear layers, or several in a mapping or a
        sequence, starting with the layer next to the input.  NumPy arrays or tensors, real or
        complex.

    Returns
    -------
    list of Spectrum
        One per matrix and, if the shapes of several matrices match, one for their product
        ``W_M ... W_1``.  ``logs`` holds the natural logarithms of the singular values,
        ``condition`` log10 of the condition number, ``distances`` the Kolmogorov-Smirnov distance
        from ``law``.

    Raises
    ------
    UserError
        (A `ValueError`.)  If there is no matrix, or one is not two-dimensional, is zero, or
        contains NaN or infinity.

    Examples
    --------
    >>> import bnproof, numpy
    >>> normal = numpy.random.default_rng(0).standard_normal
    >>> first, second, product = bnproof.spectrum([normal((300, 200)), normal((100, 300))])
    >>> product.widths
    (200, 300, 100)
    >>> bool(product.distances[0] < 0.02)  # the limiting law fits a product of random matrices
    True

    The weight matrices of a network:

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10))
    >>> named = {name: w for name, w in net.named_parameters() if w.dim() == 2}
    >>> [spectrum.name for spectrum in bnproof.spectrum(named)]
    ['0.weight', '2.weight', 'product of 2']
    """
    from bnproof.simulate.random_matrices.spectra.spectrum import given

    if isinstance(weights, Mapping):
        named = dict(weights)
    elif isinstance(weights, Sequence):
        named = {f"weights[{i}]": matrix for i, matrix in enumerate(weights)}
    else:
        named = {"weights": weights}
    return given({name: _tensor(name, matrix) for name, matrix in named.items()})


def _tensor(name: str, matrix: "Matrix") -> "Tensor":
    import numpy as np
    import torch

    if isinstance(matrix, torch.Tensor):
        return matrix.detach()
    try:
        return torch.from_numpy(np.array(matrix))  # a copy: strides may be negative
    except (TypeError, ValueError):
        kind = type(matrix).__name__
        raise UserError(f"{name}: must be an array or a tensor, not {kind}") from None
