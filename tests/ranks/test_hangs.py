"""A rank that is stopped ends the job within the time-out and some seconds, and is named; a rank that is slow is
waited for, and is named too."""

import json
import re
import time

import pytest

from rank_jobs import GONE_S, PIPELINE, REPLICAS

TIMEOUT_S = 4


def under_way(report):
    """What hang-<rank>.json says of the operations that have no end."""
    return [each["operation"] for each in json.loads(report.read_text())["operations"] if each["ended"] is None]


@pytest.mark.parametrize("layout, rank, place", [
    (PIPELINE, 0, "train.pipeline_action:stop@40"), (PIPELINE, 1, "train.load:stop"),
    (PIPELINE, 2, "train.pipeline_action:stop@40"), (PIPELINE, 2, "train.evaluation:stop"),
    (REPLICAS, 1, "train.reduction:stop@3"), (REPLICAS, 0, "save.after_weights:stop")],
    ids=["0-1f1b-step", "1-1f1b-load", "2-1f1b-step", "2-1f1b-evaluation", "1-ddp-reduction", "0-ddp-save"])
def test_a_stopped_rank_is_found_in_time_and_named(layout, rank, place, begin):
    job = begin(layout, f"comm.timeout_s={TIMEOUT_S}", on_rank=(rank, f"FG_FAIL={place}"))
    begun = job.wait_until(lambda: job.stopped() == [rank], "a rank that stands still")

    assert job.end()[0] == 7, job.text()
    assert time.monotonic() - begun <= TIMEOUT_S + GONE_S
    # Whoever sees it first: the watchdog, or a rank that waits for it.
    assert re.search(rf"rank {rank} \(\S+\) (has not been heard of|waits for nobody)|for rank {rank},", job.errors()[0])
    for survivor in {0, 1, 2} - {rank}:
        operations = under_way(job.output / f"hang-{survivor}.json")
        # Loading and saving move no tensors between ranks.
        assert operations or place.startswith(("train.load", "save.")), f"rank {survivor}"


def stragglers(job):
    """[(rank, its seconds, the median's)]."""
    lines = re.findall(r"rank (\d+) \(\S+\) computes (\S+) s a step, the median rank (\S+) s", job.text())
    return [(int(rank), float(own), float(median)) for rank, own, median in lines]


@pytest.mark.parametrize("place", ["train.step", "train.compute"], ids=["fetching", "computing"])
@pytest.mark.parametrize("layout", [("ddp", 2), ("1f1b", 2)], ids=["ddp", "1f1b"])
def test_a_slow_rank_is_named(layout, place, begin):
    job = begin(layout, "train.max_steps=2", "log.every=2", on_rank=(1, f"FG_FAIL={place}:sleep=2@2"))

    assert job.end()[0] == 0, job.text()
    [(rank, own, median)] = stragglers(job)
    assert rank == 1 and own >= 1 and 0 <= median < own


def test_who_is_waited_for_in_an_evaluation_makes_no_straggler(begin):
    """Steps of all ranks are alike, and so long that a busy machine does not change that."""
    steps = "train.step:sleep=1@1,train.step:sleep=1@2"
    job = begin(("ddp", 2), "train.max_steps=2", "eval.every=1", env={"FG_FAIL": steps},
                on_rank=(1, f"FG_FAIL={steps},train.evaluation:sleep=2"))

    assert job.end()[0] == 0, job.text()
    assert stragglers(job) == []
