"""The listener that every MPI test relies on: a test fails everywhere if it fails on one rank, says so
at once, and never hangs."""

import os
import time

import pytest

FAULTS = [
    ("ExpectFails", "text of rank 1"),
    ("AssertFailsAfterTheCollective", "text of rank 1"),
    ("AssertFailsBeforeTheCollective", "text of rank 1"),
    ("ThrowsAfterTheCollective", "text of rank 1"),
    ("ThrowsBeforeTheCollective", "text of rank 1"),
    ("NeverReturns", "peers are still inside the test"),
]


@pytest.mark.parametrize("name, text", FAULTS)
def test_a_fault_on_one_rank_fails_the_run_and_is_told(mpirun, drivers, name, text):
    begin = time.monotonic()
    done = mpirun(
        3,
        [drivers / "rank_listener_faults", f"--gtest_filter=OneRank.{name}"],
        env=os.environ | {"FG_TEST_PATIENCE": "2"},
        timeout=30,
    )
    assert done.returncode != 0
    assert text in done.stdout + done.stderr
    assert time.monotonic() - begin < 15


def test_a_test_without_fault_passes(mpirun, drivers):
    done = mpirun(3, [drivers / "rank_listener_faults", "--gtest_filter=OneRank.IsFine"])
    assert done.returncode == 0, done.stdout + done.stderr
