"""A rank that stops answering ends the job on all ranks, and a report says where each one was."""

import json
import time


def test_a_rank_that_never_connects_ends_the_job(mpirun, drivers, tmp_path):
    done = mpirun(2, [drivers / "comm_hang", tmp_path, "connect"], timeout=30)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "has not come to a meeting of all ranks" in done.stderr


def test_a_rank_that_never_answers_ends_the_job(mpirun, drivers, tmp_path):
    begin = time.monotonic()
    done = mpirun(2, [drivers / "comm_hang", tmp_path], timeout=60)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "all_reduce_sum of float32 [3, 4] (48 bytes): rank 0 has waited 1.0 s for rank 1" in done.stderr
    assert time.monotonic() - begin < 20

    report = json.loads((tmp_path / "hang-0.json").read_text())
    barrier, addition = report["operations"]
    assert (barrier["operation"], addition["operation"]) == ("barrier", "all_reduce_sum")
    assert barrier["ended"] is not None
    assert addition["ended"] is None and addition["peers"] == [1]
