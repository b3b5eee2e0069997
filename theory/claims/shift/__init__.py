"""Internal covariate shift."""
