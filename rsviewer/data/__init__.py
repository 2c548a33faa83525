"""The disk. Nothing above opens a file of a dataset or a project."""
