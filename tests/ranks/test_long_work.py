"""What takes long is no hang; what hangs is found wherever it hangs; ranks that have come apart are told."""

import os
import shutil
import time

import numpy as np
import pytest

SETTINGS = ["train.epochs=1", "train.microbatch_size=1", "optimizer.lr=1e-2"]


@pytest.mark.parametrize("layout, batches", [(("ddp", 2), (1, 2, 3, 4, 5, 6)), (("1f1b", 2), (1, 2, 3, 7, 8, 9))],
                         ids=["ddp", "1f1b"])
def test_steps_and_evaluations_may_take_longer_than_ranks_may_be_silent(layout, batches, job, tmp_path):
    """Three batches of a step and three of an evaluation are a second long on both ranks."""
    slow = ",".join(f"train.batch:sleep=1@{number}" for number in batches)
    settings = ["train.global_batch_size=6", "train.max_steps=1", "eval.every=1", "eval.steps=6",
                "comm.timeout_s=2.2"]
    begun = time.monotonic()
    job(layout, "llama", tmp_path / "run", *SETTINGS, *settings, env={"FG_FAIL": slow})
    assert time.monotonic() - begun > 6


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_stops_while_data_is_prepared_is_found_and_named(rank, job, tmp_path):
    begun = time.monotonic()
    done = job(("ddp", 2), "llama", tmp_path / "run", *SETTINGS, "comm.timeout_s=2",
               on_rank=(rank, "FG_FAIL=data.prepare:stop"), code=7)
    assert time.monotonic() - begun < 2 + 5 + 3, "with the start"
    assert f"rank {rank} (" in done.stderr and "has not been heard of for" in done.stderr


@pytest.mark.parametrize("fault, named", [("engine.counts_differ", "trained tokens"),
                                          ("engine.replica_drifts", "the weights")])
def test_replicas_that_have_come_apart_end_before_they_save(fault, named, job, tmp_path):
    done = job(("ddp", 2), "llama", tmp_path / "run", *SETTINGS, "train.global_batch_size=2", "train.max_steps=2",
               "checkpoint.every=1", on_rank=(1, f"FG_PLANT={fault}"), code=9)
    assert named in done.stderr and "rank 1" in done.stderr
    assert list((tmp_path / "run/checkpoints").glob("checkpoint-*")) == []


def test_ranks_with_models_that_differ_are_told(job, models, tmp_path):
    """Copies on two machines, neither with a manifest: one number in the last tensor differs."""
    for name in ("one", "other"):
        shutil.copytree(models("llama"), tmp_path / name)
        (tmp_path / name / "manifest.json").unlink()
    with (tmp_path / "other/model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(0.5).tobytes())
    job(("1f1b", 2), "llama", tmp_path / "good", *SETTINGS, "train.max_steps=1", f"model.path={tmp_path / 'one'}")
    done = job(("1f1b", 2), "llama", tmp_path / "run", *SETTINGS, "train.max_steps=1", f"model.path={tmp_path / 'one'}",
               on_rank=(1, f"MORE=--set model.path={tmp_path / 'other'}"), code=9)
    assert "model's weights" in done.stderr and "rank 1" in done.stderr


def test_a_run_folder_that_not_all_ranks_see_is_refused_before_the_first_step(job, tmp_path):
    done = job(("1f1b", 2), "llama", tmp_path / "run", *SETTINGS, "train.max_steps=1",
               on_rank=(1, f"MORE=--set train.output_dir={tmp_path / 'elsewhere'}"), code=2)
    assert f"{tmp_path / 'elsewhere'} is not the run folder of rank 0" in done.stderr
    assert "--save-on-each-node" in done.stderr
    assert list((tmp_path / "run/checkpoints").iterdir()) == []
