"""Every other normaliser from centring, scale and axis; l_p constants."""
