"""Where interaction logs come from: MovieLens by name, files, the paper's files, databases."""
