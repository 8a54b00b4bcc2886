"""How a program begins when no launcher started it."""

import shutil
import subprocess

import pytest

from sessions import session_of


def test_many_processes_may_begin_and_end_at_once(programs):
    begun = [subprocess.Popen([programs / "fg-config", "ls"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) for _ in range(24)]  # fmt: skip
    for process in begun:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said


def test_a_process_alone_makes_no_folder_that_others_would_share(programs, tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("[strace] strace is not installed")
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-o", trace, "-e", "trace=mkdir,mkdirat", programs / "fg-config", "ls"],
        capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [line for line in trace.read_text().splitlines() if "ompi" in line]
    assert made == []


def test_a_job_that_is_cut_leaves_no_process(mpirun, tmp_path):
    """Of the tests themselves: what they start under mpirun is gone when its time is up."""
    with pytest.raises(subprocess.TimeoutExpired):
        mpirun(2, ["sh", "-c", f"echo $$ > {tmp_path}/$$; exec sleep 600"], timeout=3)
    pids = [path.name for path in tmp_path.iterdir()]
    assert len(pids) == 2
    assert not any(session_of(pid) for pid in pids)
