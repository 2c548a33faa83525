"""Datasets that lie on a web server or in an object store: names and bytes without a copy of the dataset.

names   how an address of the web becomes a path, and back
pages   what the index page of a web server lists
web     requests to one web server
stores  requests to one bucket of an object store
tree    all that as a `data.tree.Tree`
"""
