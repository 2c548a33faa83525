"""Whether a tile has what it should, in a form that can be read."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
