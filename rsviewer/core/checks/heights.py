"""Whether heights can be heights."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
