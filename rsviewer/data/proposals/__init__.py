"""Cards that are made from a file of weights itself, family by family."""
