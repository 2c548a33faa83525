"""Whether a picture shows something, and shows it well."""

from rsviewer.core.checks import bandshift, clouds, coding, exposure, focus
from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = (*exposure.CHECKS, *focus.CHECKS, *clouds.CHECKS, *coding.CHECKS, *bandshift.CHECKS)
