"""Measure any `torch.nn.Module` that normalises against the normaliser that it should be."""
