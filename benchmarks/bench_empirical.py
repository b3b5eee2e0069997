"""Speed, memory and accuracy of metrics of networks on images."""

from time import process_time
from typing import ClassVar

import torch
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.curvature import Curvature
from bnproof.empirical.metrics.landscape import losses_along_gradient
from bnproof.empirical.metrics.shift import covariate_shift
from bnproof.empirical.metrics.table import block_moments, convolution_sums, logit_gradients
from bnproof.empirical.networks.resnet import resnet

timer = process_time  # used by asv; less affected by other processes than wall-clock time
SEED = 0
LAYERS = (2, 10, 18)


class Empirical:
    """Metrics of a ResNet-20 on a batch of 32 random images."""

    params: ClassVar = ["batch", "none"]
    param_names: ClassVar = ["norm"]

    def setup(self, norm):
        self.net = resnet(20, generator=stream(SEED, "network"), norm=norm)
        self.inputs = torch.randn(32, 3, 32, 32, generator=stream(SEED, "inputs"))
        self.labels = torch.randint(0, 10, (32,), generator=stream(SEED, "labels"))
        self.exact = resnet(20, generator=stream(SEED, "network"), norm=norm).double()

    def time_convolution_sums(self, norm):
        convolution_sums(self.net, self.inputs, self.labels, LAYERS)

    def time_block_moments(self, norm):
        block_moments(self.net, self.inputs)

    def time_logit_gradients(self, norm):
        logit_gradients(self.net, self.inputs, self.labels)

    def time_top_eigenvalue(self, norm):
        Curvature(self.net, functional.cross_entropy, self.inputs, self.labels).eigenvalues()

    def time_losses_along_gradient(self, norm):
        loss = functional.cross_entropy
        losses_along_gradient(self.net, loss, self.inputs, self.labels, (1e-3, 1e-2, 1e-1))

    def time_covariate_shift(self, norm):
        after = [p.detach() * 0.999 for p in self.net.parameters()]
        names = [name for name, _ in self.net.named_parameters()]
        layers = [names[:10], names[10:20], names[20:]]
        covariate_shift(self.net, functional.cross_entropy, self.inputs, self.labels, after, layers)

    def peakmem_top_eigenvalue(self, norm):
        Curvature(self.net, functional.cross_entropy, self.inputs, self.labels).eigenvalues()

    def peakmem_convolution_sums(self, norm):
        convolution_sums(self.net, self.inputs, self.labels, LAYERS)

    def track_error_of_float32(self, norm):
        """Largest relative error of a/b in float32 against float64."""
        single = convolution_sums(self.net, self.inputs, self.labels, LAYERS)
        double = convolution_sums(self.exact, self.inputs.double(), self.labels, LAYERS)
        return max(abs(single[layer].ratio / double[layer].ratio - 1) for layer in LAYERS)

    track_error_of_float32.unit = "relative error"
