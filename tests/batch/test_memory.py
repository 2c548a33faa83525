"""What the program asks of the C library's memory."""

import os
import subprocess
import sys

import pytest

STEADY = """
import resource
import numpy as np
from rsviewer.batch.memory import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        kept = [np.ones((3, 512, 512), np.float32) for _ in range(4)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(keep_freed_memory(), faults() and faults())
"""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc only")


def run(**environment: str) -> list[str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", STEADY]
    return subprocess.run(command, env=rest | environment, capture_output=True, text=True, check=True).stdout.split()


def test_arrays_that_come_and_go_cost_no_page_faults() -> None:
    done, faults = run()
    if done == "False":
        pytest.skip("another C library than glibc")

    assert int(faults) < 200  # 50 rounds of 12 MB are 150,000 pages


def test_a_user_s_own_setting_of_malloc_stays() -> None:
    done, _ = run(MALLOC_ARENA_MAX="2")

    assert done == "False"
