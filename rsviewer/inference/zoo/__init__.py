"""One module for each family of models; see `network` for what they have in common."""
