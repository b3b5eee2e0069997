"""The sentences of the sources, the claims that read them, and the class of each sentence."""
