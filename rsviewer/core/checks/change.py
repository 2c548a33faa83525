"""Whether a change mask fits the two images."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
