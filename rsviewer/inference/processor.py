"""What a processor gives to a model. Without torch, so that it can be asked before one is loaded."""

import os
import sys


def thread_count(wanted: int) -> int:
    """Threads for the forward pass: `wanted`, or for 0 all cores that this process may use but one, at least one."""
    if wanted > 0:
        return wanted
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(cores - 1, 1)
