"""fg-train on two hosts: the tutorial's job script saved, queued again and ended; a rank that is lost; the bytes
that go over the wire."""

import os
import re
import signal
import subprocess

import pytest

from box import until
from train_fixtures import DATA, ONE_THREAD, losses

STEPS = 12
SETTINGS = ["train.seq_len=64", "train.global_batch_size=4", "train.microbatch_size=1", "train.epochs=50",
            "optimizer.lr=1e-3", "optimizer.clip_norm=1.0", "lr_schedule.type=constant", "log.every=1",
            "checkpoint.every=100", "eval.every=null", "data.eval_path=null"]
PIPELINE = ["train.trainer=pipeline", "parallel.pipeline=2", "parallel.schedule=1f1b"]


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


class Job:
    """slurm/samantha_pp.sbatch with the quick start's configuration and a small model."""

    def __init__(self, box, root, programs, model, data, folder):
        self.box, self.root, self.folder, self.run = box, root, folder, folder / "run"
        self.environment = ONE_THREAD | {
            "FG_ROOT": str(root), "FG_BIN": str(programs), "FG_MODEL": str(model), "FG_OUTPUT": str(self.run),
            "FG_CONFIG": str(root / "configs/quickstart.yaml"), "FG_WAIT_S": "5"}
        self.words = sets(f"data.path={data}", f"data.cache={folder / 'cache'}", *SETTINGS, *PIPELINE,
                          f"train.max_steps={STEPS}")

    def submit(self, sleep):
        """Each start sleeps in its fourth step, so that there is time to do something to it."""
        return self.box.submit(self.root / "slurm/samantha_pp.sbatch", *self.words, cwd=self.folder,
                               env=self.environment | {"FG_FAIL": f"train.step:sleep={sleep}@4"})

    def wait_for_step(self, step):
        def reached():
            return (self.run / "metrics.jsonl").exists() and max(losses(self.run), default=0) >= step
        until(reached, 120, f"step {step}")

    def log(self, number):
        return (self.folder / f"samantha-pp-{number}.log").read_text()


@pytest.fixture
def job(box, root, programs, chat_model, few_chats, tmp_path):
    return Job(box, root, programs, chat_model, few_chats, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(programs, root, chat_model, few_chats, tmp_path_factory):
    """Losses of the same run in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    words = [programs / "fg-train", root / "configs/quickstart.yaml", "-M", chat_model, "--output-dir", folder / "run",
             *sets(f"data.path={few_chats}", f"data.cache={folder / 'cache'}", *SETTINGS, f"train.max_steps={STEPS}")]
    subprocess.run([str(word) for word in words], check=True, capture_output=True, env=os.environ | ONE_THREAD)
    return losses(folder / "run")


def assert_ended_undisturbed(job, number, undisturbed):
    state = job.box.wait_for(number)
    assert (state["JobState"], state["Restarts"]) == ("COMPLETED", "1"), job.log(number)
    assert losses(job.run) == undisturbed
    assert (job.run / f"checkpoints/checkpoint-{STEPS}").is_dir()


def test_a_job_asked_to_save_is_queued_again_and_ends_as_if_nothing_had_been(job, undisturbed):
    number = job.submit(sleep=3)
    job.wait_for_step(3)
    job.box.call("scancel", "--batch", "--signal=USR1", number)

    assert_ended_undisturbed(job, number, undisturbed)
    assert "code 75, saved before the end: queued again" in job.log(number)


def test_a_job_that_loses_a_rank_is_queued_again_from_its_last_checkpoint(job, undisturbed, programs):
    job.words += sets("checkpoint.every=2")
    number = job.submit(sleep=3)
    job.wait_for_step(3)
    ranks = job.box.processes_on("h2", programs / "fg-train")
    assert len(ranks) == 1
    os.kill(ranks[0], signal.SIGKILL)

    assert_ended_undisturbed(job, number, undisturbed)
    assert "a rank was lost: queued again" in job.log(number)


def test_nodes_with_disks_and_paths_of_their_own_save_and_go_on(box, programs, root, chat_model, tmp_path, undisturbed,
                                                                few_chats):
    """docs/multinode.md: different words on different hosts, --save-on-each-node, and the pieces joined."""
    def words(host, steps):
        own = box.folder / "local" / host
        box.call("run", host, "sh", "-c", f"mkdir -p {own} && cp -rn {chat_model} {few_chats} {own}")
        return ["-np", "1", "--host", host, programs / "fg-train", root / "configs/quickstart.yaml",
                "-M", own / chat_model.name, "--output-dir", own / "run", "--save-on-each-node",
                *sets(*SETTINGS, *PIPELINE, f"data.path={own / few_chats.name}", f"data.cache={own / 'cache'}",
                      f"train.max_steps={steps}")]

    for steps in (STEPS // 2, STEPS):
        done = box.call("mpirun", *words("h1", steps), ":", *words("h2", steps), env=ONE_THREAD)
    assert f"resumed from {box.folder}/local/h1/run/checkpoints/checkpoint-{STEPS // 2}" in done.stderr
    pieces = []
    for host, rank in (("h1", 0), ("h2", 1)):
        pieces.append(tmp_path / host)
        box.call("run", host, "cp", "-r", box.folder / "local" / host / "run", pieces[-1])
        held = sorted(each.name for each in (pieces[-1] / f"checkpoints/checkpoint-{STEPS}").glob("*.h5"))
        assert held == [f"model-r0000{rank}.h5", f"optim-r0000{rank}.h5"]
    assert losses(pieces[0]) == undisturbed
    subprocess.run([programs / "fg-finalize", *pieces, tmp_path / "joined"], check=True, capture_output=True)
    assert (tmp_path / "joined/config.json").exists()


FORECAST = re.compile(r"bytes on the wire a step: rank 0 -> 1: ([\d,]+), rank 1 -> 0: ([\d,]+)")


def test_the_wire_carries_the_bytes_that_the_plan_forecasts(box, programs, root, chat_model, tmp_path):
    # Rows enough that no step within these is an epoch's last, which has fewer.
    settings = [f"data.path={DATA / 'train.jsonl'}", f"data.cache={tmp_path / 'cache'}", *SETTINGS, *PIPELINE,
                "train.seq_len=512", "train.global_batch_size=8", "checkpoint.save_strategy=no"]
    words = [programs / "fg-train", root / "configs/quickstart.yaml", "-M", chat_model, *sets(*settings)]
    plan = subprocess.run([str(word) for word in [*words, "--output-dir", tmp_path / "plan", "--plan"]],
                          capture_output=True, text=True, check=True, env=os.environ | ONE_THREAD).stdout
    found = FORECAST.search(plan)
    assert found, plan
    forecast = {host: int(count.replace(",", "")) for host, count in zip(("h1", "h2"), found.groups(), strict=True)}

    steps, sent = 6, {}
    for times in (1, 2):
        before = box.bytes()
        box.call("mpirun", "-np", "2", *words, "--output-dir", tmp_path / f"run{times}", "--max-steps", times * steps,
                 env=ONE_THREAD)
        after = box.bytes()
        sent[times] = {host: after[host] - before[host] for host in after}
    for host in forecast:
        assert (sent[2][host] - sent[1][host]) / steps == pytest.approx(forecast[host], rel=0.05), host
