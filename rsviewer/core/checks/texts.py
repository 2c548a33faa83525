"""Whether a caption says something about its image."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
