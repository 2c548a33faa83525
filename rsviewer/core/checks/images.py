"""Whether a picture shows something."""

from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = ()
