"""Jobs of several ranks that fail or are started wrongly: all ranks leave with the documented code, and who is
to blame is named."""

import json
import re
import shutil
import socket

import pytest

from rank_jobs import GONE_S, PIPELINE, REPLICAS


def left_over(job):
    return sorted(path.name for path in (job.output / "checkpoints").glob(".tmp-*"))


@pytest.mark.parametrize("layout", [PIPELINE, REPLICAS], ids=["1f1b", "ddp"])
def test_a_rank_that_throws_speaks_first_and_all_leave_with_its_code(layout, begin):
    job = begin(layout, on_rank=(1, "FG_FAIL=train.step:throw@3"))
    code, seconds = job.end()

    assert code == 5, job.text()
    assert seconds <= GONE_S
    assert "error on rank 1: failpoint train.step reached" in job.errors()[0]


def test_a_save_that_fails_on_one_rank_leaves_nothing_and_says_who(begin, finish):
    job = begin(PIPELINE, on_rank=(2, "FG_FAIL=save.after_weights:throw"))

    assert job.end()[0] == 5, job.text()
    assert "failpoint save.after_weights reached" in job.errors()[0]
    assert "rank 2" in job.errors()[0]
    assert job.checkpoints() == [] and left_over(job) == []
    finish(PIPELINE)


def test_a_second_job_in_the_folder_is_refused_by_name(asleep, begin):
    first = asleep(PIPELINE, seconds=90)
    before = first.ranks()
    second = begin(REPLICAS)

    assert second.end()[0] == 2, second.text()
    assert str(before[0]) in second.text()
    assert first.ranks() == before, "the first one goes on"


@pytest.mark.parametrize("more, named", [("--set train.seed=43", "train.seed"),
                                         ("--set optimizer.lr=1e-3", "optimizer.lr")])
def test_a_configuration_that_differs_on_one_rank_is_named(more, named, begin):
    job = begin(PIPELINE, on_rank=(2, f"MORE={more}"))

    assert job.end()[0] == 9, job.text()
    assert named in job.text() and "rank 2" in job.text()
    assert job.checkpoints() == []


def test_another_version_of_the_program_on_one_rank_is_named(begin):
    job = begin(PIPELINE, on_rank=(2, "FG_PLANT=train.other_version"))

    assert job.end()[0] == 9, job.text()
    assert "fg: " in job.text() and "0.0.0" in job.text() and "rank 2" in job.text()
    assert job.checkpoints() == []


def test_a_tokenizer_that_differs_on_one_rank_is_named(begin, models, tmp_path):
    other = tmp_path / "tokenizer"
    other.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (models("llama") / name).exists():
            shutil.copy(models("llama") / name, other)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"].pop()
    (other / "tokenizer.json").write_text(json.dumps(content))

    job = begin(PIPELINE, on_rank=(1, f"MORE=--set model.tokenizer={other}"))

    assert job.end()[0] == 9, job.text()
    assert "tokenizer" in job.text() and "rank 1" in job.text()
    assert job.checkpoints() == []


def test_data_that_differ_on_one_rank_are_named(chats, begin, tmp_path):
    """As many conversations of as many turns: only what they say differs."""
    other = tmp_path / "other.jsonl"
    other.write_text(chats[0].read_text().replace('"value": "', '"value": "so ', 1))
    job = begin(("1f1b", 2), on_rank=(1, f"MORE=--set data.path={other}"))

    assert job.end()[0] == 9, job.text()
    host = re.escape(socket.gethostname())
    assert re.search(rf"^ *data: rank 0 \({host}\) has \S+; rank 1 \({host}\) has \S+$", job.text(), re.MULTILINE)
    assert job.checkpoints() == []


def test_two_steps_are_traced_on_every_rank(begin):
    job = begin(("1f1b", 2), "train.max_steps=5", "log.profile=2")

    assert job.end()[0] == 0, job.text()
    names = []
    for rank in (0, 1):
        events = json.loads((job.output / f"trace-{rank}.json").read_text())["traceEvents"]
        names.append([event["name"] for event in events if event["ph"] == "X"])
        assert {"aten::mm", "aten::addmm"} & set(names[rank])
    # Once a layer, microbatch and step; evaluations go forward alone.
    backward = [name for name in sum(names, []) if re.search("attention.*backward", name)]
    assert len(backward) == 8 * 3 * 2


def test_a_run_that_ends_within_the_traced_steps_leaves_no_trace(begin):
    job = begin(("1f1b", 2), "train.max_steps=3", "log.profile=3")

    assert job.end()[0] == 0, job.text()
    assert list(job.output.glob("trace-*.json")) == []
