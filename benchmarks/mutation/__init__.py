"""The share of single changes to the code that the tests catch: `make mutate`."""
