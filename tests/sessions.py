"""Commands in a session of their own, so that nothing they started is left when they hang. mpirun gives
each rank a process group of its own: killing mpirun or its group leaves ranks that spin for ever."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time


def session_of(pid):
    """None of a process that is gone, or waits for its parent to take note of that."""
    try:
        state, _, _, session = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)


def processes_of(session):
    """The living processes of a session."""
    pids = (int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if session_of(pid) == session]


def end_session(leader, seconds=10):
    """Kills all that a process started with start_new_session has left, and waits until it is gone."""
    end = time.monotonic() + seconds
    while pids := processes_of(leader.pid):
        assert time.monotonic() < end, f"processes {pids} do not die"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    leader.wait(timeout=seconds)


def run_session(words, timeout, input=None, **how):
    """subprocess.run with the output as text, which ends the whole session when the time is up."""
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True, **how) as leader:  # fmt: skip
        try:
            out, err = leader.communicate(input, timeout=timeout)
        except BaseException:
            end_session(leader)
            raise
    return subprocess.CompletedProcess(words, leader.returncode, out, err)
