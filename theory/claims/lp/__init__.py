"""l_p normalisation."""
