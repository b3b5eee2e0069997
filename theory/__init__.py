"""What is claimed, and why it is so: statements, derivations, exact counterexamples. No torch."""
