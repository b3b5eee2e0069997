"""Studies that compare sampled spectra with laws, one per module."""
