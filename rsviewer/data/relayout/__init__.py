"""A dataset in another layout: where each layer goes, what has to be written anew for it, and what the result is read as."""
