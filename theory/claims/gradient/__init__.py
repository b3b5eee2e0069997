"""First derivatives: Jacobian and gradient bounds."""
