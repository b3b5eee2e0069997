"""Other normalisations, initialisations and nonlinearities."""
