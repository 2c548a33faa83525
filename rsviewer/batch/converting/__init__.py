"""Tiles into files that other programs open. Each kind of file is a module; `running` is what they share."""
