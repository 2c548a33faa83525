"""Whether labels can be labels, and fit the heights."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
