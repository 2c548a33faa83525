"""Automatic checks: one function for every suspicion, one module for every subject.

`subject` is a tile as checks see it, `check` what a check is and says, `suspicion` how scores become one number from 0 to 1,
`traits` what is remembered of every tile for the checks that only the whole dataset can answer (`crowd`).
"""

from rsviewer.core.checks import alignment, change, crowd, heights, images, integrity, labels, texts
from rsviewer.core.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *integrity.CHECKS,
    *images.CHECKS,
    *heights.CHECKS,
    *labels.CHECKS,
    *change.CHECKS,
    *alignment.CHECKS,
    *crowd.CHECKS,
    *texts.CHECKS,
)
"""All of them, by topic."""

BY_ID = {check.id: check for check in CHECKS}
