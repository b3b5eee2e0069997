"""Second derivatives: curvature and predictiveness."""
