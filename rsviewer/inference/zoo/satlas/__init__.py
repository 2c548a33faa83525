"""Satlas (Bastani et al., ICCV 2023): one backbone, a pyramid, and a head for each of many tasks, as published.

`layout` tells what is in a file, `network` runs it; the others are its parts.
"""

from rsviewer.inference.zoo.satlas.network import load

__all__ = ["load"]
