"""kill -9 of a rank in every phase of a job: the others are gone within seconds, what stands is whole, and the
same line goes on to the end that nothing disturbed."""

import pytest

from rank_jobs import GONE_S, SETTINGS

# Two microbatches a step: two replicas have the bits of one process too.
MORE = ["train.global_batch_size=2", "checkpoint.every=1", "checkpoint.keep=2"]

# Where, which ranks are killed there, and the steps of the checkpoints that stand then. EITHER: rank 0 under one
# layout and the last rank under the other, EACH: both under both, LEADER: rank 0, which alone comes there.
EITHER, EACH, LEADER = "either", "each", "leader"
KILLS = [("session.before_meeting", EITHER, []),
         ("session.met", EITHER, []),
         ("data.prepare", EITHER, []),
         ("train.begin", EITHER, []),
         ("train.load", EITHER, []),
         ("train.loaded", EITHER, []),
         ("train.step", EACH, []),
         ("train.pipeline_action@5", EACH, []),
         ("train.reduction", EACH, []),
         ("save.begin", EITHER, []),
         ("save.staged", LEADER, []),
         ("save.after_weights", EITHER, []),
         ("save.after_optimizer", EITHER, []),
         ("save.before_manifest", LEADER, []),
         ("save.before_commit", LEADER, []),
         ("save.committed", LEADER, [1]),
         ("train.evaluation", EACH, [1]),
         ("train.load", EITHER, [1]),
         ("train.loaded", EITHER, [1]),
         ("retention.renamed", LEADER, [2, 3]),
         ("session.before_leaving", EITHER, [5, 6])]
FIRST, LAST = 0, 1
LAYOUTS = {"1f1b": {EITHER: [FIRST], EACH: [FIRST, LAST], LEADER: [FIRST], "lacks": "train.reduction"},
           "ddp": {EITHER: [LAST], EACH: [FIRST, LAST], LEADER: [], "lacks": "train.pipeline_action@5"}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rank_killed_in_any_phase_ends_all_and_the_same_line_goes_on(layout, begin, finish, one_process):
    """One run, killed again and again."""
    for place, whom, stands in KILLS:
        for rank in LAYOUTS[layout][whom] if place != LAYOUTS[layout]["lacks"] else []:
            name, _, count = place.partition("@")
            job = begin((layout, 2), *MORE, on_rank=(rank, f"FG_FAIL={name}:kill@{count or 1}"))
            code, seconds = job.end()
            assert code == 137, f"rank {rank} at {place}: {job.text()}"
            assert seconds <= GONE_S, f"rank {rank} at {place}"
            assert job.checkpoints() == stands, f"rank {rank} at {place}"

    finish((layout, 2), *MORE, as_in=one_process("llama", *SETTINGS, *MORE))
