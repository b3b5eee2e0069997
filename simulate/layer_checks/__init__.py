"""Check any `torch.nn.Module` that normalises against the definition of its normaliser."""
