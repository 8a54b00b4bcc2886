"""scripts/bench_ranks.py: what it measures and the bounds it holds figures against."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from train_fixtures import ONE_THREAD


@pytest.fixture(scope="module")
def bench_ranks(root):
    sys.path.insert(0, str(root / "scripts"))
    import bench_ranks as module
    yield module
    sys.path.remove(str(root / "scripts"))


def test_one_rank_and_several_are_measured_in_turns(root, programs, chat_model, tmp_path):
    done = subprocess.run(
        [sys.executable, root / "scripts/bench_ranks.py", chat_model, "--bin", programs, "--setups", "1f1b", "ddp",
         "--rows", "2", "--length", "64", "--steps", "12", "--json", tmp_path / "figures.json"],
        capture_output=True, text=True, timeout=300, env=os.environ | ONE_THREAD)
    assert done.returncode == 0, done.stderr
    one, pipeline, ddp = json.loads((tmp_path / "figures.json").read_text())
    assert [row["setup"] for row in (one, pipeline, ddp)] == ["one", "1f1b", "ddp"]
    assert one["ratio"] == 1 and "bound" not in one and "bound" not in ddp
    assert ddp["ratio"] == pytest.approx(ddp["tokens_per_second"] / one["tokens_per_second"])
    # Two microbatches on two ranks: a third of the time is a bubble.
    assert pipeline["bound"] == pytest.approx(2 * one["tokens_per_second"] * 2 / 3)
    assert len(done.stdout.splitlines()) == 4


def test_a_set_up_that_fails_is_named_and_keeps_what_was_measured(root, programs, chat_model, tmp_path):
    done = subprocess.run(
        [sys.executable, root / "scripts/bench_ranks.py", chat_model, "--bin", programs, "--setups", "zbv", "--rows",
         "2", "--length", "64", "--steps", "12", "--json", tmp_path / "figures.json"],
        capture_output=True, text=True, timeout=300, env=os.environ | ONE_THREAD | {"OUT": str(tmp_path)})
    assert done.returncode != 0 and "zbv ended with 2" in done.stderr  # two layers are too few for four stages
    assert [row["setup"] for row in json.loads((tmp_path / "figures.json").read_text())] == ["one"]
    assert (tmp_path / "zbv-train.log").exists()


def test_a_run_that_takes_too_long_is_ended_with_its_ranks(bench_ranks, tmp_path, monkeypatch):
    (tmp_path / "1f1b").mkdir()
    (tmp_path / "1f1b/hang-1.json").write_text("{}")
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setattr(bench_ranks, "command", lambda *_: ["sleep", "100"])
    with pytest.raises(SystemExit, match="1f1b took more than 0.2 s"):
        bench_ranks.run(argparse.Namespace(limit=0.2), tmp_path, "1f1b")
    assert (tmp_path / "1f1b-hang-1.json").exists()


@pytest.mark.parametrize("setup, warmup", [("1f1b", True), ("zb_h1", True), ("zbv", False), ("ddp", False)])
def test_more_warmup_goes_to_the_schedules_that_take_it(bench_ranks, setup, warmup):
    given = argparse.Namespace(bin=bench_ranks.ROOT, devices="cpu", steps=8, length=64, model="m", rows=2, microbatch=1,
                               policy="keep", extra_warmup=2, wire="", ranks=2, box=False, set=[], line=4)
    assert ("parallel.extra_warmup=2" in bench_ranks.command(given, bench_ranks.ROOT, setup)) == warmup


def test_a_gigabit_wire_bounds_7b_where_the_arithmetic_says(bench_ranks):
    assert bench_ranks.wire_bound({"hidden_size": 4096}, "1gbit") == pytest.approx(14_365, rel=2e-3)
    assert bench_ranks.textbook("1f1b", 2, 16) == pytest.approx(0.941, abs=5e-4)
    assert bench_ranks.textbook("zbv", 2, 16) == pytest.approx(0.980, abs=5e-4)
