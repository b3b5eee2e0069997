"""What samplers draw from and measure: definitions of layers, losses and distributions."""
