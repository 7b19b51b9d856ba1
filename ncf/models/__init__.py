"""GMF, MLP and NeuMF, one page each."""
