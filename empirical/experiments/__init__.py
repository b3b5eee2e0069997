"""One experiment a file; the file's name is the claim's id."""
