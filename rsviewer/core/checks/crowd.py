"""What only the whole dataset can tell."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
