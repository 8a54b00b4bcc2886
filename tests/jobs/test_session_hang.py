"""A rank that stops, dies, loops or does not come ends the job on all ranks, and is named."""

import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from sessions import end_session

TIMEOUT = 3  # of the watchdog in the program, seconds


def is_there(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def job(root, drivers, tmp_path):
    """job(ranks, case, culprit) -> running job with .pids, once the culprit has come to its step."""
    started = []

    def start(ranks, case, culprit, wait=True):
        words = [root / "scripts/mpirun.sh", ranks, drivers / "session_hang", case, tmp_path, culprit]
        with (tmp_path / "err").open("w") as errors:
            job = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=errors, text=True,
                                   start_new_session=True)  # fmt: skip
        started.append(job)
        bound = threading.Timer(60, job.kill)  # of the wait for what the ranks say of themselves
        bound.start()
        lines = [job.stdout.readline().split() for _ in range(ranks)]
        bound.cancel()
        assert all(lines), (tmp_path / "err").read_text()
        job.pids = {int(line[1]): int(line[3]) for line in lines}
        while wait and not (tmp_path / "ready").exists():
            assert job.poll() is None
            time.sleep(0.01)
        return job

    yield start
    for job in started:
        end_session(job)


def all_gone(job, seconds):
    """Waits until mpirun and all ranks are gone; seconds that took."""
    begin = time.monotonic()
    while job.poll() is None or any(is_there(pid) for pid in job.pids.values()):
        assert time.monotonic() - begin < seconds, "processes are left"
        time.sleep(0.02)
    return time.monotonic() - begin


@pytest.mark.parametrize("ranks, culprit", [(2, 1), (2, 0), (4, 2), (4, 0)])
def test_a_stopped_rank_is_found_and_named(job, tmp_path, ranks, culprit):
    running = job(ranks, "steps", culprit)
    os.kill(running.pids[culprit], signal.SIGSTOP)
    all_gone(running, TIMEOUT + 5)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 7, errors
    assert f"rank {culprit} (" in errors and ") has not been heard of for " in errors
    assert "last in 'st" in errors  # step 18 or so, or the start
    for rank in set(range(ranks)) - {culprit}:
        assert f"rank {culprit} (" in (tmp_path / f"hang-{rank}.txt").read_text()


@pytest.mark.parametrize("ranks, culprit", [(2, 0), (4, 3)])
def test_a_rank_that_loops_is_found_and_named(job, tmp_path, ranks, culprit):
    running = job(ranks, "loop", culprit)
    all_gone(running, TIMEOUT + 5)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 7, errors
    assert f"rank {culprit} (" in errors and "has made no progress for 3 s in 'step 19'" in errors


def test_a_hook_that_hangs_ends_too(job, tmp_path):
    running = job(2, "hook_hangs", 1)
    all_gone(running, TIMEOUT + 15)
    assert running.returncode == 7, (tmp_path / "err").read_text()


def test_a_job_that_stood_still_as_a_whole_goes_on(job, tmp_path):
    running = job(2, "steps", 1)
    for number, seconds in [(signal.SIGSTOP, TIMEOUT + 2), (signal.SIGCONT, 2)]:
        for pid in running.pids.values():
            os.kill(pid, number)
        time.sleep(seconds)
    assert running.poll() is None, (tmp_path / "err").read_text()


@pytest.mark.parametrize("culprit", [0, 1])
def test_a_killed_rank_ends_the_job(job, culprit):
    running = job(3, "steps", culprit)
    os.kill(running.pids[culprit], signal.SIGKILL)
    all_gone(running, 5)
    assert running.returncode == 137


def test_a_rank_that_fails_names_itself(job, tmp_path):
    running = job(3, "throw", 1)
    all_gone(running, 5)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 3, errors
    assert "error on rank 1: row 7 is bad" in errors


@pytest.mark.parametrize("case, ranks, culprit", [("slow_end", 3, 2), ("chain", 3, 2), ("chain", 2, 1)])
def test_a_meeting_without_a_rank_ends(job, tmp_path, case, ranks, culprit):
    """Rank 0 can say why, also where rank 1 has long left the meeting."""
    running = job(ranks, case, culprit, wait=False)
    all_gone(running, 10)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 7, errors
    assert f"rank 0: rank {culprit} (" in errors and "has not come to a meeting of all ranks (agree number " in errors
    assert ") for 1.0 s" in errors
    assert errors.count("error on rank") == 1


def test_a_meeting_without_the_first_rank_ends(job, tmp_path):
    running = job(3, "sleep", 0, wait=False)
    all_gone(running, 12)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 7, errors
    assert "error on rank 1: rank 0 (" in errors and "has not answered" in errors


@pytest.mark.parametrize("never_comes", [["sh", "-c", "sleep 60"], ["env", "FG_FAIL=session.mpi_started:sleep=60"]],
                         ids=["before", "behind"])
def test_a_job_that_does_not_come_together_ends(root, drivers, never_comes):
    """One of two processes never starts MPI, or stops right behind it."""
    program = [drivers / "session_hang", "speed"]
    done = subprocess.run([root / "scripts/mpirun.sh", "1", *program, ":", "-np", "1", *never_comes, *program],
                          capture_output=True, text=True, timeout=30, env=os.environ | {"FG_START_TIMEOUT": "1.5"})  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert "the job has not come together for 1.5 s (rank 0 on " in done.stderr


@pytest.mark.parametrize("words", ["soon", "0", "5s", "nan", ""])
def test_a_start_timeout_that_is_no_time_is_refused(mpirun, programs, words):
    done = mpirun(2, [programs / "fg-config", "ls"], timeout=30,
                  env=os.environ | {"FG_START_TIMEOUT": words})  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"FG_START_TIMEOUT is '{words}'" in done.stderr


def test_a_job_that_does_not_end_together_ends(job, tmp_path):
    running = job(3, "stays", 1, wait=False)
    all_gone(running, 10)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 7, errors
    assert "MPI_Finalize does not end: a rank is not leaving" in errors


def test_ranks_at_different_meetings_are_told(job, tmp_path):
    running = job(3, "another", 1, wait=False)
    all_gone(running, 10)
    errors = (tmp_path / "err").read_text()
    assert running.returncode == 9, errors
    assert "is at another meeting of all ranks (gather number 7) than rank 0 (agree number 7)" in errors


def test_a_rank_that_is_slow_is_waited_for(job, tmp_path):
    """Also where all stand still for longer than they would wait."""
    running = job(3, "slow", 1, wait=False)
    for pid in running.pids.values():
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.3)
    for pid in running.pids.values():
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)  # rank 0 looks before the slow one has come
    all_gone(running, 20)
    assert running.returncode == 0, (tmp_path / "err").read_text()


def test_the_binding_of_mpirun_is_undone(drivers):
    """mpirun binds a rank alone to one core, whatever there is."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("[cores] a rank needs 2 cores for this to show")
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(["mpirun", "-np", "1", str(drivers / "session_hang"), "threads"],
                          capture_output=True, text=True, timeout=60, env=free | root)
    assert done.returncode == 0, done.stderr
    assert f"{cores} threads a rank: {cores} cores (" in done.stdout
    assert "the launcher had bound this rank to 1 core, which was undone" in done.stdout
