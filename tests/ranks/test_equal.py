"""Many ranks against one process with the same microbatches: equal as docs/numerics.md promises."""

import pytest

from rank_runs import assert_same_bits, differing, drift, newest, numbers_of, tensors_of
from train_fixtures import losses

SCHEDULES = ["gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv"]

# An epoch and a half: its last step has fewer rows, and some ranks of a ddp none.
COMMON = ["train.epochs=1.5", "eval.every=2", "optimizer.lr=1e-2"]

# Each column's values meet every schedule:  model, packing, rows a step and a microbatch, type, optimizer,
# clipping (exact keeps gradients; with the others updates are in the backward pass), activations.
CASES = {
    "packed": ("llama", "data.pack=true", "train.global_batch_size=4", "train.microbatch_size=1",
               "model.dtype=float32", "optimizer.type=adamw", "optimizer.clip_norm=0.5",
               "memory.policy=keep"),
    "alone": ("llama", "data.pack=false", "train.global_batch_size=8", "train.microbatch_size=2",
              "model.dtype=bfloat16", "optimizer.type=adafactor", "optimizer.stochastic_rounding=true",
              "optimizer.clip_norm=0", "memory.policy=checkpoint"),
    "biases": ("qwen2", "data.pack=true", "train.global_batch_size=8", "train.microbatch_size=2",
               "model.dtype=float32", "optimizer.type=adamw8bit", "optimizer.clip_norm=0.5",
               "optimizer.clip_mode=lagged", "memory.policy=keep"),
    "window": ("mistral", "data.pack=false", "train.global_batch_size=4", "train.microbatch_size=1",
               "model.dtype=bfloat16", "optimizer.type=adamw", "optimizer.stochastic_rounding=true",
               "optimizer.clip_norm=0.5", "optimizer.nan=skip", "memory.policy=checkpoint"),
}
# Each schedule takes two of them on 2 ranks and two on 4, and each of them is taken on both.
PIPELINES = [((schedule, 2 if (place + number) % 2 == 0 else 4), case)
             for number, schedule in enumerate(SCHEDULES) for place, case in enumerate(CASES)]


def identity(value):
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("layout, case", PIPELINES, ids=identity)
def test_a_pipeline_has_the_bits_of_one_process(layout, case, job, one_process, tmp_path):
    model, *settings = CASES[case]
    job(layout, model, tmp_path / "run", *COMMON, *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


@pytest.mark.parametrize("case", CASES)
def test_replicas_with_a_microbatch_each_have_the_bits_of_one_process(case, job, one_process, tmp_path):
    model, *settings = CASES[case]
    job(("ddp", 4), model, tmp_path / "run", *COMMON, *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


@pytest.mark.parametrize("model, batch", [("llama", 2), ("tied", 4)])
def test_two_replicas_with_a_microbatch_each_have_the_bits_of_one_process(model, batch, job, one_process,
                                                                         tmp_path):
    settings = [*COMMON, f"train.global_batch_size={batch}", f"train.microbatch_size={batch // 2}",
                "train.max_steps=8", "optimizer.clip_norm=0.5"]
    job(("ddp", 2), model, tmp_path / "run", *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *settings))


def test_a_split_by_hand_changes_no_bit(job, one_process, tmp_path):
    model, *settings = CASES["packed"]
    job(("1f1b", 2), model, tmp_path / "run", *COMMON, *settings, "parallel.split=[2,6]")

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


@pytest.mark.parametrize("trainer", ["ddp", "zbv"])
def test_one_rank_trains_under_every_trainers_name(trainer, job, one_process, tmp_path):
    model, *settings = CASES["packed"]
    job((trainer, 1), model, tmp_path / "run", *COMMON, *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


def test_more_microbatches_on_their_way_between_machines_change_no_bit(job, one_process, tmp_path):
    model, *settings = CASES["packed"]
    done = job(("1f1b", 2), model, tmp_path / "run", *COMMON, *settings, "parallel.extra_warmup=2",
               on_rank=(1, "FG_NODE=another"))

    assert "2 more microbatches on their way from rank 0 to rank 1" in done.stderr
    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


def test_a_simulated_wire_is_a_wire_to_the_plan(job, tmp_path):
    done = job(("1f1b", 1), "llama", tmp_path / "run", "parallel.pipeline=2", "parallel.extra_warmup=2",
               "comm.simulate_link=1gbit", "train.global_batch_size=4", options=["--plan"])

    assert "2 more microbatches on their way from rank 0 to rank 1" in done.stdout


# Sums in another order: equal to rounding.
CLOSE = ["train.epochs=100", "train.max_steps=20", "train.global_batch_size=6", "eval.every=10",
         "optimizer.clip_norm=0.5", "optimizer.lr=1e-3"]
TIED = [(schedule, 2 if number % 2 == 0 else 4) for number, schedule in enumerate(SCHEDULES)]


def assert_close(run, other, start):
    ours, theirs = losses(run), losses(other)
    assert ours.keys() == theirs.keys() and len(ours) == 20
    assert max(abs(ours[step] - theirs[step]) / theirs[step] for step in ours) <= 1e-5
    assert drift(run, other, start) <= 1e-3


@pytest.fixture(scope="module")
def tied_run(job, tmp_path_factory):
    """tied_run(layout): a run's folder, made once."""
    made = {}

    def run(layout):
        if layout not in made:
            made[layout] = tmp_path_factory.mktemp("tied") / "run"
            job(layout, "tied", made[layout], *CLOSE)
        return made[layout]

    return run


@pytest.mark.parametrize("layout", TIED, ids=identity)
def test_a_tied_pipeline_is_close_to_one_process(layout, tied_run, one_process, start):
    assert_close(tied_run(layout), one_process("tied", *CLOSE), start("tied"))


@pytest.mark.parametrize("layout", TIED[1:], ids=identity)
def test_tied_pipelines_of_all_schedules_are_equal(layout, tied_run):
    assert_same_bits(tied_run(layout), tied_run(TIED[0]))


def test_a_tied_pipeline_updates_in_the_backward_pass_as_it_does_behind_it(job, tmp_path):
    settings = ["train.max_steps=4", "train.global_batch_size=4", "train.epochs=9"]
    runs = {"at once": tmp_path / "at_once", "kept": tmp_path / "kept"}
    job(("1f1b", 2), "tied", runs["at once"], *settings)
    job(("1f1b", 2), "tied", runs["kept"], *settings, "optimizer.nan=skip")

    assert numbers_of(runs["at once"]) == numbers_of(runs["kept"])
    assert differing(*(tensors_of(newest(run)) for run in runs.values())) == []


@pytest.mark.parametrize("model", ["llama", "tied"])
def test_replicas_with_several_microbatches_are_close_to_one_process(model, job, one_process, start,
                                                                    tmp_path):
    job(("ddp", 2), model, tmp_path / "run", *CLOSE)

    assert_close(tmp_path / "run", one_process(model, *CLOSE), start(model))
