"""Hessian products and the top eigenvalue of ResNet-20, compared with PyHessian and curvlinops."""

import importlib.metadata
import importlib.util
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.comparisons.row import Row, alternate
from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.curvature import Curvature, Statistics
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.networks.table import ResNet

WHAT = "ResNet-20, batch 128, float32"


def _problem() -> tuple[ResNet, Tensor, Tensor]:
    model = resnet(20, generator=stream(0, "network"))
    inputs = torch.randn(128, 3, 32, 32, generator=stream(1, "inputs"))
    return model, inputs, torch.arange(128) % 10


def _curvature(statistics: Statistics) -> Curvature:
    return Curvature(*_model_first(statistics), statistics=statistics)


def _model_first(statistics: Statistics) -> tuple:
    model, inputs, targets = _problem()
    return model.train(statistics == "batch"), functional.cross_entropy, inputs, targets


def _version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def _top_eigenvalue() -> Row:
    def ours(statistics: Statistics = "running") -> float:
        return float(_curvature(statistics).eigenvalues()[0])

    what = f"top Hessian eigenvalue, set-up included, {WHAT}"
    if importlib.util.find_spec("pyhessian") is None:
        return Row(what, alternate(ours, repeats=1)[0], None, "PyHessian", 1.0, "not installed")
    warnings.simplefilter("ignore")  # raised by the other package
    import pyhessian

    def theirs() -> float:
        model, inputs, targets = _problem()
        values, _ = pyhessian.hessian(
            model, nn.CrossEntropyLoss(), data=(inputs, targets), cuda=False
        ).eigenvalues()
        return float(values[0])

    exact = float(_curvature("running").eigenvalues(tolerance=1e-6)[0])
    note = (
        f"with running statistics, the only option in PyHessian: {exact:.4f}, relative error of "
        f"bnproof {abs(ours() / exact - 1):.0e}, of PyHessian {abs(theirs() / exact - 1):.0e}; "
        f"with batch statistics, as in training: {ours('batch'):.4f}"
    )
    return Row(what, *alternate(ours, theirs, repeats=2), _version("pyhessian"), 1.0, note)


def _product() -> Row:
    curvature = _curvature("running")
    direction = torch.randn(curvature.size, generator=stream(2, "direction"))

    def ours() -> Tensor:
        return curvature.product(direction)

    what = f"one Hessian product, set-up excluded, {WHAT}"
    if importlib.util.find_spec("curvlinops") is None:
        return Row(what, alternate(ours, repeats=3)[0], None, "curvlinops", 1.0, "not installed")
    warnings.simplefilter("ignore")  # raised by the other package
    from curvlinops import HessianLinearOperator

    def operator(statistics: Statistics) -> HessianLinearOperator:
        model, _, inputs, targets = _model_first(statistics)
        return HessianLinearOperator(
            model,
            nn.CrossEntropyLoss(),
            list(model.parameters()),
            [(inputs, targets)],
            check_deterministic=False,
        )

    peer = operator("running")

    def theirs() -> Tensor:
        return peer @ direction

    gap = float((ours() - theirs()).norm() / ours().norm())
    try:
        exact = _curvature("batch").product(direction)
        result = operator("batch") @ direction
        batch = f"gives an error of {float((exact - result).norm() / exact.norm()):.1e}"
    except RuntimeError:
        batch = "raises RuntimeError"
    note = (
        f"relative difference {gap:.0e} with running statistics; with batch statistics curvlinops "
        f"{batch}"
    )
    return Row(
        what, *alternate(ours, theirs, repeats=3), _version("curvlinops-for-pytorch"), 1.0, note
    )


COMPARISONS = {"top eigenvalue": _top_eigenvalue, "product": _product}
