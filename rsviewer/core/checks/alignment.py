"""Whether the layers of a tile show the same place in the same position."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
