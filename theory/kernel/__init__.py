"""A second kernel: certificates as Coq theorems, and the layer's own theory below them."""
