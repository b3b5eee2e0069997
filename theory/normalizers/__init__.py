"""Normalisers other than BatchNorm, given by centring, scale and axis; l_p constants."""
