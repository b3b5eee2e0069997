"""Internal covariate shift, and noise in its place."""
