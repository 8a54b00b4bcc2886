"""fg-train on two hosts with the quick start's model: the tutorial's job scripts saved, queued again and ended; a
rank that is lost; a network that goes away; the bytes that go over the wire."""

import os
import re
import signal
import subprocess
import time

import pytest

from box import until
from rank_runs import differing, newest, read_tensor_file, tensors_of
from train_fixtures import DATA, ONE_THREAD, losses

STEPS = 8
# How long all ranks may be there when one was killed, and what Slurm takes to look.
GONE_S, SLURM_LOOKS_S = 5, 2
# Shorter rows than the quick start's, for time; the rest is as configs/quickstart.yaml has it.
SETTINGS = ["train.seq_len=128", "train.epochs=50", "lr_schedule.type=constant", "eval.every=null",
            "data.eval_path=null"]
PIPELINE = ["train.trainer=pipeline", "parallel.pipeline=2", "parallel.schedule=1f1b"]


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="module")
def model(root, programs, tmp_path_factory):
    """The quick start's, as its script makes it, but for the little reading."""
    folder = tmp_path_factory.mktemp("quickstart")
    script = (root / "scripts/quickstart.sh").read_text()
    make = re.search(r"^scripts/train_tokenizer.py .*?[^\\]\n(?=train )", script, re.DOTALL | re.MULTILINE).group()
    convert = re.search(r'^fg-convert "\$folder/base" .*?[^\\]\n', script, re.DOTALL | re.MULTILINE).group()
    subprocess.run(["bash", "-ec", make + "mv $folder/random $folder/base\n" + convert], check=True, cwd=root,
                   capture_output=True,
                   env=os.environ | {"folder": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"})
    return folder / "fg"


class Job:
    """A job script of slurm/ with the quick start's configuration and model."""

    def __init__(self, box, root, programs, model, data, folder):
        self.box, self.root, self.folder, self.run = box, root, folder, folder / "run"
        self.environment = ONE_THREAD | {
            "FG_ROOT": str(root), "FG_BIN": str(programs), "FG_MODEL": str(model), "FG_OUTPUT": str(self.run),
            "FG_CONFIG": str(root / "configs/quickstart.yaml")}
        self.words = sets(f"data.path={data}", f"data.cache={folder / 'cache'}", *SETTINGS)

    def submit(self, sleep, *settings):
        """Each start sleeps in its fourth step, so that there is time to do something to it."""
        return self.box.submit(self.root / "slurm/samantha_pp.sbatch", *self.words, *sets(*PIPELINE, *settings),
                               "--max-steps", STEPS, cwd=self.folder,
                               env=self.environment | {"FG_FAIL": f"train.step:sleep={sleep}@4"})

    def wait_for_step(self, step):
        def reached():
            return (self.run / "metrics.jsonl").exists() and max(losses(self.run), default=0) >= step
        until(reached, 120, f"step {step}")

    def log(self, number):
        return (self.folder / f"samantha-pp-{number}.log").read_text()


@pytest.fixture
def job(box, root, programs, model, few_chats, tmp_path):
    return Job(box, root, programs, model, few_chats, tmp_path)


@pytest.fixture(scope="module")
def one_process(programs, root, model, few_chats, tmp_path_factory):
    """Folder of the same run in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    words = [programs / "fg-train", root / "configs/quickstart.yaml", "-M", model, "--output-dir", folder / "run",
             *sets(f"data.path={few_chats}", f"data.cache={folder / 'cache'}", *SETTINGS, f"train.max_steps={STEPS}")]
    subprocess.run([str(word) for word in words], check=True, capture_output=True, env=os.environ | ONE_THREAD)
    return folder / "run"


@pytest.fixture(scope="module")
def undisturbed(one_process):
    """Its losses."""
    return losses(one_process)


def assert_ended_undisturbed(job, number, undisturbed):
    state = job.box.wait_for(number)
    assert (state["JobState"], state["Restarts"]) == ("COMPLETED", "1"), job.log(number)
    assert losses(job.run) == undisturbed
    assert (job.run / f"checkpoints/checkpoint-{STEPS}").is_dir()


def test_a_job_asked_to_save_is_queued_again_and_ends_as_if_nothing_had_been(job, undisturbed):
    number = job.submit(3)
    job.wait_for_step(3)
    job.box.call("scancel", "--batch", "--signal=USR1", number)

    assert_ended_undisturbed(job, number, undisturbed)
    assert "code 75, saved before the end: queued again" in job.log(number)


def test_a_job_that_loses_a_rank_is_queued_again_from_its_last_checkpoint(job, undisturbed, programs):
    number = job.submit(3, "checkpoint.every=2")
    job.wait_for_step(3)
    ranks = {host: job.box.processes_on(host, programs / "fg-train") for host in ("h1", "h2")}
    assert [len(each) for each in ranks.values()] == [1, 1]
    os.kill(ranks["h2"][0], signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{ranks['h1'][0]}"), GONE_S + SLURM_LOOKS_S, "the other rank's end")

    assert_ended_undisturbed(job, number, undisturbed)
    assert "a rank was lost: queued again" in job.log(number)


def test_a_copy_on_each_node_trains_as_one_process(job, undisturbed):
    number = job.box.submit(job.root / "slurm/samantha_ddp.sbatch", *job.words, *sets("train.trainer=ddp"),
                            "--max-steps", STEPS, cwd=job.folder, env=job.environment)
    state = job.box.wait_for(number)
    log = (job.folder / f"samantha-ddp-{number}.log").read_text()
    assert (state["JobState"], state["Restarts"]) == ("COMPLETED", "0"), log
    assert losses(job.run) == pytest.approx(undisturbed, rel=1e-4)
    assert (job.run / f"checkpoints/checkpoint-{STEPS}").is_dir()


@pytest.fixture
def unplug(box):
    """unplug(), unplug(False): the second host's end of the wire is down, or up again."""
    def unplug(is_down=True):
        box.call("run", "h2", "ip", "link", "set", "eth0", "down" if is_down else "up")

    yield unplug
    unplug(False)


def test_a_network_that_comes_back_in_time_changes_nothing(job, undisturbed, unplug):
    number = job.submit(2, "comm.timeout_s=20")
    job.wait_for_step(3)
    unplug()
    time.sleep(3)
    assert STEPS not in losses(job.run)
    unplug(False)

    state = job.box.wait_for(number)
    assert (state["JobState"], state["Restarts"]) == ("COMPLETED", "0"), job.log(number)
    assert losses(job.run) == undisturbed


def test_nodes_with_disks_and_paths_of_their_own_save_and_go_on(box, programs, root, model, tmp_path, one_process,
                                                                few_chats):
    """docs/multinode.md: different words on different hosts, --save-on-each-node, and the pieces joined."""
    def words(host, steps):
        own = box.folder / "local" / host
        box.call("run", host, "sh", "-c", f"mkdir -p {own} && cp -rn {model} {few_chats} {own}")
        return ["-np", "1", "--host", host, programs / "fg-train", root / "configs/quickstart.yaml",
                "-M", own / model.name, "--output-dir", own / "run", "--save-on-each-node",
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
    assert losses(pieces[0]) == losses(one_process)
    subprocess.run([programs / "fg-finalize", *pieces, tmp_path / "joined"], check=True, capture_output=True)
    joined = read_tensor_file(tmp_path / "joined/model.safetensors")
    assert differing(joined, tensors_of(newest(one_process), "weights")) == []


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


def test_a_network_that_stays_away_ends_the_job_and_names_the_peer(job, unplug, programs):
    """The last one here: Slurm takes a minute to find its other node again."""
    timeout_s = 5
    number = job.submit(2, f"comm.timeout_s={timeout_s}")
    job.wait_for_step(3)
    ranks = [rank for host in ("h1", "h2") for rank in job.box.processes_on(host, programs / "fg-train")]
    unplug()

    until(lambda: "rank 1 (h2) has not been heard of" in job.log(number), timeout_s + GONE_S, "the peer's name")
    until(lambda: not any(os.path.exists(f"/proc/{rank}") for rank in ranks), 15, "the end of all ranks")
    until(lambda: "ended with code 7" in job.log(number), 30, "srun's end")
    state = job.box.job(number)
    assert (state["Restarts"], state["ExitCode"]) == ("0", "7:0"), job.log(number)
