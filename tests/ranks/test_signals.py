"""Signals to a job of several ranks, to its launcher or to one rank, at any time: the documented code, nothing
lost, and the same line goes on to the end that nothing disturbed."""

import os
import signal
import time

import pytest

from rank_jobs import PIPELINE, REPLICAS, SETTINGS, STEPS, Job
from rank_runs import assert_same_bits, job_words

USR1, USR2 = (f"signal={number:d}" for number in (signal.SIGUSR1, signal.SIGUSR2))


def test_sigusr1_to_mpirun_saves_leaves_with_75_and_goes_on(asleep, finish):
    job = asleep(PIPELINE, "checkpoint.every=100")
    job.process.send_signal(signal.SIGUSR1)

    assert job.end()[0] == 75, job.text()
    assert job.checkpoints() == [4]
    finish(PIPELINE)


def test_sigusr2_to_mpirun_saves_and_goes_on(asleep, unbroken):
    job = asleep(REPLICAS, "checkpoint.every=100")
    job.process.send_signal(signal.SIGUSR2)

    assert job.end()[0] == 0, job.text()
    assert job.checkpoints() == [4, STEPS]
    assert_same_bits(job.output, unbroken)


@pytest.mark.parametrize("number, code, kept", [(signal.SIGINT, 130, 4), (signal.SIGTERM, 143, 2)])
def test_a_signal_to_one_rank_is_all_ranks_business(number, code, kept, asleep, finish):
    job = asleep(PIPELINE)
    os.kill(job.ranks()[1], number)

    assert job.end()[0] == code, job.text()
    assert job.checkpoints()[-1] == kept
    finish(PIPELINE)


# sh -c LATE PROGRAM …: rank 1 starts late.
LATE = '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || sleep 2; exec "$0" "$@"'


def test_sigusr1_while_a_rank_waits_for_one_that_has_not_started(programs, models, chats, tmp_path):
    words = job_words(programs, ("1f1b", 2), models("llama"), chats[0], tmp_path / "run",
                      [f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}", *SETTINGS])
    job = Job([*words[:2], "sh", "-c", LATE, *words[2:]], tmp_path / "run", {})
    try:
        job.wait_until(lambda: 0 in job.ranks(), "rank 0")
        time.sleep(0.5)
        assert list(job.ranks()) == [0]
        os.kill(job.ranks()[0], signal.SIGUSR1)

        assert job.end()[0] == 75, job.text()
        assert job.checkpoints() == [1]
    finally:
        job.leave_nothing()


# Starts of one run: where a rank gets which signal, the code, and the step of the newest checkpoint then.
# Checkpoints and evaluations are due every two steps; one that asks is heard at the end of a step.
STARTS = {
    PIPELINE: [("before the first step", 1, f"train.load:{USR1}", 75, 1),
               ("during a save", 2, f"save.after_weights:{USR1}", 75, 3),
               ("during an evaluation", 0, f"train.evaluation:{USR1}", 75, 5),
               ("in the last step", 1, f"train.step:{USR1}", 0, STEPS)],
    REPLICAS: [("three times", 2, f"train.step:{USR1}@1,train.step:{USR1}@1,save.begin:{USR1}@1", 75, 1),
               ("during a save, to go on", 1, f"save.after_weights:{USR2}@2", 0, STEPS)],
}


@pytest.mark.parametrize("layout", STARTS, ids=["1f1b", "ddp"])
def test_a_signal_at_any_time_loses_nothing(layout, begin, unbroken):
    for when, rank, fail, code, newest in STARTS[layout]:
        job = begin(layout, on_rank=(rank, f"FG_FAIL={fail}"))
        assert job.end()[0] == code, f"{when}: {job.text()}"
        assert job.checkpoints()[-1] == newest, when
    assert job.checkpoints() == ([1, 2, 3, 4, 5, 6] if layout == PIPELINE else [1, 2, 4, 5, 6])
    assert_same_bits(job.output, unbroken)
