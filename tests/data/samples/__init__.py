"""Tiny datasets in the exact structure of the real ones, one writer a format, for tests of every room."""
