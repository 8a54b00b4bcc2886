"""Checkpoints on the nodes' own disks: saved by so many ranks on two nodes, resumed by others, with kills
and damage in between. Nodes are folders here, told apart by $FG_NODE."""

import os
import re
import shutil
import subprocess

import pytest

from rank_runs import ON_CPU, POLITE, differing, job_words, newest, read_tensor_file, run_job, tensors_of

# Bytes of all tensors of node_tool's state, and of those that each rank wants whole.
STATE = 997 * 64 * 2 + 64 * 4 + 501 * 12 * 2 + 64 * 4 + 8
WHOLE = 64 * 4 + 64 * 4

# Of fg-train's runs.
TRAINING = ["train.seq_len=64", "train.global_batch_size=4", "train.microbatch_size=1", "train.max_steps=2"]
PIPELINE = ["train.trainer=pipeline", "parallel.schedule=1f1b"]


@pytest.fixture
def nodes(mpirun, drivers, tmp_path):
    """nodes(job, "aabb", *words, code=0, fail={rank: "point:action"}) runs node_tool on one rank a letter,
    which is the rank's node, and gives its text."""

    def run(job, layout, *words, code=0, fail=None):
        command = []
        for rank, node in enumerate(layout):
            if rank:
                command += [":", "-np", 1]
            command += ["-x", f"FG_NODE={node}"]
            if rank in (fail or {}):
                command += ["-x", f"FG_FAIL={fail[rank]}"]
            command += [drivers / "node_tool", job, tmp_path, *words]
        done = mpirun(1, command, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def step_of(text):
    return int(re.search(r"^step (\d+)$", text, re.MULTILINE)[1])


def received(text):
    found = dict(re.findall(r"^rank (\d+) received (\d+)$", text, re.MULTILINE))
    return [int(found[rank]) for rank in sorted(found)]


def steps_on(folder):
    return sorted(int(path.name.split("-")[1]) for path in (folder / "checkpoints").iterdir())


@pytest.mark.parametrize("layout", ["ba", "abb", "bab", "aabb"])
def test_any_layout_of_the_two_nodes_resumes(nodes, layout):
    nodes("save", "aabb", 10)
    text = nodes("resume", layout)
    assert step_of(text) == 10
    if layout == "aabb":
        assert received(text) == [WHOLE // 2] * 4, "only the whole tensors' other halves"


@pytest.mark.parametrize("layout", ["ac", "cca"])
def test_a_new_node_gets_all_from_the_one_that_has_it(nodes, layout):
    nodes("save", "aaaa", 10)
    text = nodes("resume", layout)
    assert step_of(text) == 10
    shares = received(text)
    assert all((share > 0) == (node == "c") for share, node in zip(shares, layout)), shares
    nodes("save", layout, 20)
    assert step_of(nodes("resume", layout)) == 20


def test_one_node_or_one_folder_receives_nothing(nodes):
    nodes("save", "aa", 10)
    assert received(nodes("resume", "aaa")) == [0] * 3


def test_what_a_missing_node_had_is_named(nodes):
    nodes("save", "aabb", 10)
    text = nodes("resume", "ac", code=4)
    assert "none of the checkpoints is whole" in text
    assert "model-r00002.h5" in text and "the pieces of the other nodes are needed too" in text


# save.committed is reached on node b once it has committed, on a or not: both must be right.
@pytest.mark.parametrize(("point", "rank"), [("save.after_weights", 1), ("save.before_commit", 0),
                                             ("save.before_commit", 1), ("save.committed", 1)])
def test_killed_at_any_place_the_highest_whole_step_resumes(nodes, tmp_path, point, rank):
    nodes("save", "ab", 10)
    nodes("save", "ab", 20, code=137, fail={rank: f"{point}:kill"})
    whole = all((tmp_path / node / "checkpoints/checkpoint-20").exists() for node in "ab")
    assert not whole or point == "save.committed"
    assert step_of(nodes("resume", "ab")) == (20 if whole else 10)
    # Saved again by a new run: both pieces are its own.
    nodes("save", "ab", 20)
    assert step_of(nodes("resume", "ba")) == 20


def test_a_step_that_failed_between_two_commits_is_passed_over_with_the_reason(nodes, tmp_path):
    nodes("save", "ab", 10)
    nodes("save", "ab", 20)
    shutil.move(tmp_path / "b/checkpoints/checkpoint-20", tmp_path / "kept")
    text = nodes("resume", "ab")
    assert step_of(text) == 10
    assert "checkpoint-20 is passed over" in text and "cut before every node had committed" in text
    # The same step by a later run, cut before node b: a has the new piece, b an old one.
    nodes("save", "ab", 20)
    shutil.rmtree(tmp_path / "b/checkpoints/checkpoint-20")
    shutil.move(tmp_path / "kept", tmp_path / "b/checkpoints/checkpoint-20")
    text = nodes("resume", "ab")
    assert step_of(text) == 10 and "are of two saves" in text
    assert "node a: " in text and "node b: " in text


def test_partial_steps_do_not_push_whole_ones_out(nodes, tmp_path):
    for step in (10, 20):
        nodes("save", "ab", step)
    nodes("save", "ab", 25)
    shutil.rmtree(tmp_path / "b/checkpoints/checkpoint-25")
    nodes("save", "ab", 30)
    assert steps_on(tmp_path / "a") == [20, 25, 30] and steps_on(tmp_path / "b") == [20, 30]
    nodes("save", "ab", 40)
    assert steps_on(tmp_path / "a") == [30, 40] == steps_on(tmp_path / "b")


@pytest.fixture(scope="module")
def one_process(programs, chat_model, few_chats, tmp_path_factory):
    """Weights that one process has trained."""
    folder = tmp_path_factory.mktemp("one")
    run_job(programs, ("one", 1), chat_model, few_chats, folder / "run", [f"data.cache={folder / 'cache'}", *TRAINING])
    return tensors_of(newest(folder / "run"), "weights")


@pytest.mark.parametrize("form, names", [
    ("hdf5", ["model-r00000.h5", "model-r00001.h5"]),
    ("bin", ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"])], ids=["hdf5", "bin"])
def test_a_trained_pipelines_pieces_are_joined_to_the_model_of_one_process(
        form, names, mpirun, programs, chat_model, few_chats, one_process, tmp_path):
    runs, command = [tmp_path / "a", tmp_path / "b"], []
    for run in runs:
        words = job_words(programs, ("one", 1), chat_model, few_chats, run,
                          [f"data.cache={tmp_path / 'cache'}", *TRAINING, *PIPELINE, f"checkpoint.format={form}"],
                          [*ON_CPU, "--save-on-each-node"])
        command += [*([":", "-np", 1] if command else []), "-x", f"FG_NODE={run.name}", *words]
    done = mpirun(1, command, timeout=120, env=os.environ | POLITE)
    assert done.returncode == 0, done.stdout + done.stderr
    for run, own in zip(runs, names, strict=True):
        assert [name for name in names if (newest(run) / name).exists()] == [own]

    for number, pieces in enumerate((runs, runs[::-1])):
        subprocess.run([programs / "fg-finalize", *pieces, tmp_path / f"joined{number}"], check=True,
                       capture_output=True, timeout=60)
        joined = read_tensor_file(tmp_path / f"joined{number}/model.safetensors")
        assert differing(joined, one_process) == []
    untrained = read_tensor_file(chat_model / "model.safetensors")
    assert len(differing(joined, untrained)) == len(joined)
