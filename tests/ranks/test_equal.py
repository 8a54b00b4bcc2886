"""Many ranks against one process with the same microbatches: equal as docs/numerics.md promises."""

import itertools
import pathlib
import re
import socket

import pytest

from rank_runs import assert_same_bits, differing, drift, newest, numbers_of, tensors_of
from train_fixtures import losses

SCHEDULES = ["gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv"]

# More than an epoch: its last step has fewer rows, and some ranks of a ddp none.
COMMON = ["train.epochs=1.1", "eval.every=4", "optimizer.lr=1e-2"]

COLUMNS = {
    "packing": {"packed": ["data.pack=true"], "alone": ["data.pack=false"]},
    "activations": {"keep": ["memory.policy=keep"], "checkpoint": ["memory.policy=checkpoint"]},
    # Exact clipping keeps gradients, and so does a skip; else updates are in the backward pass.
    "clipping": {"exact": ["optimizer.clip_norm=0.5"],
                 "lagged": ["optimizer.clip_norm=0.5", "optimizer.clip_mode=lagged"],
                 "none": ["optimizer.clip_norm=0"],
                 "skip": ["optimizer.clip_norm=0", "optimizer.nan=skip"]},
    "model": {"llama": [], "qwen2": [], "mistral": []},
    "type": {"fp32": ["model.dtype=float32"],
             "bf16": ["model.dtype=bfloat16", "optimizer.stochastic_rounding=true"]},
    "optimizer": {name: [f"optimizer.type={name}"] for name in ("adamw", "adafactor", "adamw8bit")},
    "rows": {"4x1": [], "8x2": []},  # of a step and of a microbatch: four microbatches each
}
CLIPPED = {"exact": True, "lagged": True, "none": False, "skip": False}

# By twos, the second the opposite of the first in packing, activations and clipping: whoever takes both has met
# both sides of each. A schedule takes a and b or c and d on 2 ranks, two of the others on 4, or the other way round.
CASES = {name: dict(zip(COLUMNS, values.split(), strict=True)) for name, values in {
    "a": "packed  keep        exact   llama    fp32  adamw      4x1",
    "b": "alone   checkpoint  none    mistral  bf16  adafactor  8x2",
    "c": "packed  keep        skip    mistral  bf16  adafactor  8x2",
    "d": "alone   checkpoint  exact   llama    fp32  adamw      4x1",
    "e": "packed  checkpoint  lagged  qwen2    bf16  adamw8bit  8x2",
    "f": "alone   keep        none    llama    fp32  adamw      4x1",
    "g": "packed  checkpoint  none    llama    bf16  adamw      4x1",
    "h": "alone   keep        lagged  qwen2    fp32  adamw8bit  8x2",
}.items()}
TAKEN = {("gpipe", 2): "ab", ("gpipe", 4): "ef", ("1f1b", 2): "gh", ("1f1b", 4): "cd",
         ("interleaved_1f1b", 2): "cd", ("interleaved_1f1b", 4): "gh", ("zb_h1", 2): "ef", ("zb_h1", 4): "ab",
         ("zbv", 2): "ab", ("zbv", 4): "gh", ("ddp", 2): "cd", ("ddp", 4): "abef"}
PIPELINES = [(layout, case) for layout, cases in TAKEN.items() if layout[0] != "ddp" for case in cases]
REPLICAS = [(layout, case) for layout, cases in TAKEN.items() if layout[0] == "ddp" for case in cases]


def identity(value):
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else value


def in_words(value):
    return "-".join(list(CASES[value].values())[:3]) if value in CASES else identity(value)


def of_case(case, **other):
    """Model and settings, with other values in some columns."""
    values = CASES[case] | other
    step, microbatch = values["rows"].split("x")
    chosen = [setting for column in COLUMNS for setting in COLUMNS[column].get(values[column], [])]
    return (values["model"], *COMMON, *chosen, f"train.global_batch_size={step}",
            f"train.microbatch_size={microbatch}")


def met(layouts, columns):
    """Combinations of values in these columns that the runs of these layouts have."""
    return {tuple(CASES[case][column] for column in columns) for layout in layouts for case in TAKEN[layout]}


def combinations(columns):
    return set(itertools.product(*(COLUMNS[column] for column in columns)))


def test_every_layout_meets_both_sides_of_packing_activations_and_clipping():
    assert set(TAKEN) == set(itertools.product([*SCHEDULES, "ddp"], (2, 4)))
    for layout in TAKEN:
        for column in ("packing", "activations"):
            assert met([layout], [column]) == combinations([column]), layout
        assert {CLIPPED[how] for how, in met([layout], ["clipping"])} == {True, False}, layout


def test_every_schedule_meets_every_value_and_packing_with_activations():
    for schedule in SCHEDULES:
        layouts = [(schedule, 2), (schedule, 4)]
        assert met(layouts, ["packing", "activations"]) == combinations(["packing", "activations"]), schedule
        for column in set(COLUMNS) - {"clipping"}:
            assert met(layouts, [column]) == combinations([column]), schedule
        assert {how for how, in met(layouts, ["clipping"])} >= {"exact", "lagged", "none"}, schedule


def test_every_pair_of_values_is_met_on_2_and_on_4_ranks():
    for ranks in (2, 4):
        layouts = [layout for layout in TAKEN if layout[1] == ranks]
        for columns in itertools.combinations(["packing", "activations", "type", "rows"], 2):
            assert met(layouts, columns) == combinations(columns), ranks
        for column in ("packing", "activations", "type", "rows"):
            clipped = {(value, CLIPPED[how]) for value, how in met(layouts, [column, "clipping"])}
            assert clipped == set(itertools.product(COLUMNS[column], (True, False))), ranks


@pytest.mark.parametrize("layout, case", PIPELINES, ids=in_words)
def test_a_pipeline_has_the_bits_of_one_process(layout, case, job, one_process, tmp_path):
    model, *settings = of_case(case)
    job(layout, model, tmp_path / "run", *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *settings))


# Replicas have both ends of a tied model: its bits too. Two replicas take the same rows in two microbatches.
OF_REPLICAS = {("ddp", 2): {"c": {"rows": "8x4"}, "d": {"rows": "4x2", "model": "tied"}},
               ("ddp", 4): {"f": {"model": "tied"}}}


@pytest.mark.parametrize("layout, case", REPLICAS, ids=in_words)
def test_replicas_with_a_microbatch_each_have_the_bits_of_one_process(layout, case, job, one_process, tmp_path):
    model, *settings = of_case(case, **OF_REPLICAS[layout].get(case, {}))
    job(layout, model, tmp_path / "run", *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *settings))


def test_a_stage_may_keep_some_layers_and_make_others_again(job, one_process, tmp_path):
    model, *settings = of_case("h")
    # The first stage's forecast is 50.9 MiB where all of its five layers keep, and 49.7 where none does.
    done = job(("1f1b", 2), model, tmp_path / "run", *settings, "memory.policy=auto", "memory.budget_gib=0.0491")

    assert re.search(r"layers kept on each rank: [1-4] of 5 \(others checkpoint\), ", done.stderr), done.stderr
    assert_same_bits(tmp_path / "run", one_process(model, *settings))


def test_a_split_by_hand_changes_no_bit(job, one_process, tmp_path):
    model, *settings = of_case("a")
    job(("1f1b", 2), model, tmp_path / "run", *COMMON, *settings, "parallel.split=[2,6]")

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


@pytest.mark.parametrize("trainer", ["ddp", "zbv"])
def test_one_rank_trains_under_every_trainers_name(trainer, job, one_process, tmp_path):
    model, *settings = of_case("a")
    job((trainer, 1), model, tmp_path / "run", *COMMON, *settings)

    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


def table_of_ranks(said, ranks):
    """[[rank, host, device, interface, threads], …] as the job tells at its start."""
    lines = [line.partition("info: ")[2] for line in said.splitlines()]
    [header] = [number for number, line in enumerate(lines) if line.startswith("rank  host ")]
    begins = [lines[header].index(name) for name in ("rank", "host", "device", "interface", "threads")]
    return [[line[begin:end].strip() for begin, end in itertools.pairwise([*begins, None])]
            for line in lines[header + 1:header + 1 + ranks]]


def test_more_microbatches_on_their_way_between_machines_change_no_bit(job, one_process, tmp_path):
    model, *settings = of_case("a")
    done = job(("1f1b", 2), model, tmp_path / "run", *COMMON, *settings, "parallel.extra_warmup=2",
               on_rank=(1, "FG_NODE=another"))

    assert "2 more microbatches on their way from rank 0 to rank 1" in done.stderr
    table = table_of_ranks(done.stderr, 2)
    interface = table[0][3]
    assert table == [["0", socket.gethostname(), "CPU", interface, "1"], ["1", "another", "CPU", interface, "1"]]
    assert (pathlib.Path("/sys/class/net") / interface).is_dir()
    assert_same_bits(tmp_path / "run", one_process(model, *COMMON, *settings))


def test_a_simulated_wire_is_a_wire_to_the_plan(job, tmp_path):
    done = job(("1f1b", 1), "llama", tmp_path / "run", "parallel.pipeline=2", "parallel.extra_warmup=2",
               "comm.simulate_link=1gbit", "train.global_batch_size=4", options=["--plan"])

    assert "2 more microbatches on their way from rank 0 to rank 1" in done.stdout


# Sums in another order: equal to rounding.
CLOSE = ["train.epochs=100", "train.max_steps=20", "train.global_batch_size=6", "eval.every=20",
         "optimizer.clip_norm=0.5", "optimizer.lr=1e-3"]
TIED = list(itertools.product(SCHEDULES, (2, 4)))


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


def test_a_tied_pipeline_is_close_with_rows_alone_and_activations_made_again(job, one_process, start, tmp_path):
    settings = [*CLOSE, "data.pack=false", "memory.policy=checkpoint"]
    job(("zbv", 4), "tied", tmp_path / "run", *settings)

    assert_close(tmp_path / "run", one_process("tied", *settings), start("tied"))


def test_a_tied_pipeline_updates_in_the_backward_pass_as_it_does_behind_it(job, tmp_path):
    settings = ["train.max_steps=4", "train.global_batch_size=4", "train.epochs=9"]
    runs = {"at once": tmp_path / "at_once", "kept": tmp_path / "kept"}
    job(("1f1b", 2), "tied", runs["at once"], *settings)
    job(("1f1b", 2), "tied", runs["kept"], *settings, "optimizer.nan=skip")

    assert numbers_of(runs["at once"]) == numbers_of(runs["kept"])
    assert differing(*(tensors_of(newest(run)) for run in runs.values())) == []


# Six microbatches: on four ranks some have two and some one.
@pytest.mark.parametrize("ranks, model", [(2, "llama"), (2, "tied"), (4, "tied")])
def test_replicas_with_several_microbatches_are_close_to_one_process(ranks, model, job, one_process, start,
                                                                    tmp_path):
    job(("ddp", ranks), model, tmp_path / "run", *CLOSE)

    assert_close(tmp_path / "run", one_process(model, *CLOSE), start(model))
