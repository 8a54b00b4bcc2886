"""A checkpoint of one layout goes on in another: to the bit where both have the bits of one process."""

import shutil
import subprocess

import pytest

from rank_runs import (assert_same_bits, differing, drift, manifest_of, newest, numbers_of, state_of,
                       tensors_of)
from train_fixtures import losses

SAVED, END = 3, 5
# Two microbatches a step: two replicas have the bits of one process. Lagged clipping and the spike guard
# remember numbers of earlier steps; rounding goes by chance; evaluations are at every step, as at an end.
SETTINGS = ["train.epochs=9", "train.global_batch_size=8", "train.microbatch_size=4",
            "model.dtype=bfloat16", "optimizer.type=adamw8bit", "optimizer.stochastic_rounding=true",
            "optimizer.lr=1e-2", "optimizer.clip_norm=0.5", "optimizer.clip_mode=lagged", "data.pack=false",
            "checkpoint.every=1", "checkpoint.keep=100", "eval.every=1"]


def until(step):
    return f"train.max_steps={step}"


def at(run, step):
    return run / f"checkpoints/checkpoint-{step}"


@pytest.fixture(scope="module")
def saved(job, tmp_path_factory):
    """saved(layout, model, "key=value", …): the folder of a run of SAVED steps, made once."""
    made = {}

    def run(layout, model, *settings):
        key = (layout, model, *settings)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("saved") / "run"
            job(layout, model, made[key], *SETTINGS, *settings, until(SAVED))
        return made[key]

    return run


@pytest.fixture
def go_on(job, tmp_path):
    """go_on(folder, layout, model, "key=value", …): a copy of the run that went on to END."""

    def run(folder, layout, model, *settings):
        copy = shutil.copytree(folder, tmp_path / "run", symlinks=True)
        done = job(layout, model, copy, *SETTINGS, *settings, until(END))
        assert f"resumed from {at(copy, SAVED)}" in done.stderr
        return copy

    return run


MOVES = [(("1f1b", 4), ("ddp", 2)), (("1f1b", 4), ("one", 1)), (("1f1b", 4), ("zbv", 3)),
         (("zbv", 3), ("1f1b", 4)), (("ddp", 2), ("1f1b", 4)), (("one", 1), ("interleaved_1f1b", 3))]


@pytest.mark.parametrize("before, after", MOVES,
                         ids=["-to-".join(f"{kind}-{ranks}" for kind, ranks in move) for move in MOVES])
def test_a_run_goes_on_in_another_layout_as_if_unbroken(before, after, saved, go_on, one_process):
    unbroken = one_process("llama", *SETTINGS, until(END))
    source = saved(before, "llama")
    assert differing(tensors_of(at(source, SAVED)), tensors_of(at(unbroken, SAVED))) == []
    assert state_of(at(source, SAVED)) == state_of(at(unbroken, SAVED))

    run = go_on(source, after, "llama")

    # The first step behind the resume has the bits of the weights and the state it began with.
    for step in (SAVED + 1, END):
        assert differing(tensors_of(at(run, step)), tensors_of(at(unbroken, step))) == []
    assert_same_bits(run, unbroken)


def test_a_tied_weight_goes_on_wherever_its_ends_lie(saved, go_on, tmp_path, job):
    """From ends on two ranks to both on one and back; tied pipelines equal each other."""
    run = go_on(saved(("1f1b", 4), "tied"), ("zbv", 3), "tied")
    job(("zb_h1", 2), "tied", run, *SETTINGS, until(END + 2))
    job(("gpipe", 3), "tied", tmp_path / "unbroken", *SETTINGS, until(END + 2))

    assert_same_bits(run, tmp_path / "unbroken")


def test_several_microbatches_a_replica_go_on_closely(saved, go_on, one_process, start):
    exact = ["model.dtype=float32", "optimizer.type=adamw", "train.microbatch_size=2"]
    unbroken = one_process("llama", *SETTINGS, *exact, until(END))

    run = go_on(saved(("zbv", 4), "llama", *exact), ("ddp", 2), "llama", *exact)

    ours, theirs = losses(run), losses(unbroken)
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[step] - theirs[step]) / theirs[step] for step in ours) <= 1e-5
    assert drift(run, unbroken, start("llama")) <= 1e-3


@pytest.mark.parametrize("layout", [("1f1b", 4), ("ddp", 2)], ids=["1f1b-4", "ddp-2"])
def test_each_rank_saves_its_own_slices_and_about_as_much(layout, saved):
    manifest = manifest_of(at(saved(layout, "llama"), SAVED))

    assert manifest["checkpoint"]["world"] == layout[1]
    for kind in ("model", "optim"):
        sizes = [record["size"] for name, record in manifest["files"].items()
                 if name.startswith(f"{kind}-r") and name.endswith(".h5")]
        assert len(sizes) == layout[1]
        assert max(sizes) < 3 * min(sizes), sizes


def test_the_bin_format_of_four_ranks_goes_on_at_two(saved, go_on, one_process):
    unbroken = one_process("llama", *SETTINGS, until(END))
    source = saved(("zb_h1", 4), "llama", "checkpoint.format=bin")
    assert sorted(path.name for path in at(source, SAVED).glob("*.bin")) == [
        f"pytorch_model-{rank:05}-of-00004.bin" for rank in range(1, 5)]
    assert differing(tensors_of(at(source, SAVED)), tensors_of(at(unbroken, SAVED))) == []

    run = go_on(source, ("ddp", 2), "llama", "checkpoint.format=bin")

    assert differing(tensors_of(newest(run)), tensors_of(newest(unbroken))) == []
    assert numbers_of(run) == numbers_of(unbroken)


@pytest.fixture(scope="module")
def finalized(programs, saved, tmp_path_factory):
    """finalized(layout): the model folder with optimizer state that fg-finalize makes of its run."""
    made = {}

    def model(layout):
        if layout not in made:
            made[layout] = tmp_path_factory.mktemp("final") / "model"
            subprocess.run([programs / "fg-finalize", saved(layout, "llama"), made[layout],
                            "--keep-optimizer"], check=True, capture_output=True, timeout=60)
        return made[layout]

    return model


def test_finalize_makes_the_same_model_of_four_ranks_as_of_one(finalized):
    ours, theirs = finalized(("1f1b", 4)), finalized(("one", 1))
    for name in ("model.safetensors", "optim.h5", "config.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_a_pipeline_begins_warm_with_the_state_that_a_model_brings(programs, finalized, chats, tmp_path):
    from rank_runs import run_job

    runs = {}
    for layout in (("one", 1), ("zbv", 2)):
        runs[layout] = tmp_path / layout[0]
        done = run_job(programs, layout, finalized(("1f1b", 4)), chats[0], runs[layout],
                       [*SETTINGS, f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}",
                        "train.seq_len=56", "log.every=1", until(2)])
        assert "optimizer state of" in done.stderr

    assert_same_bits(runs["zbv", 2], runs["one", 1])
