"""Internal covariate shift, and noise that imitates it."""
