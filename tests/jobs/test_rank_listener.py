"""The listener that every MPI test relies on: a test fails everywhere if it fails on one rank, says so
at once, and never hangs."""

import os
import time
import xml.etree.ElementTree as xml

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


def test_fewer_ranks_than_asked_for_are_no_run(mpirun, drivers):
    """Each rank a job of its own would pass every test that needs no second one."""
    done = mpirun(1, [drivers / "rank_listener_faults", "--gtest_filter=OneRank.IsFine"],
                  env=os.environ | {"FG_TEST_RANKS": "3"})  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FG_TEST_RANKS asks for 3 ranks" in done.stderr


def test_a_program_leaves_what_became_of_each_of_its_tests(mpirun, drivers, tmp_path):
    done = mpirun(2, [drivers / "rank_listener_faults", "--gtest_filter=OneRank.IsFine:OneRank.ExpectFails"],
                  env=os.environ | {"FG_TEST_RESULTS": str(tmp_path)})  # fmt: skip
    assert done.returncode != 0
    cases = {case.get("name"): case for case in xml.parse(tmp_path / "rank_listener_faults.2.xml").iter("testcase")}
    assert cases["IsFine"].find("failure") is None
    assert cases["ExpectFails"].find("failure") is not None  # though it failed on another rank
