"""Jobs of several ranks that are killed, signalled, stopped and started wrongly: all ranks end within
seconds, with the documented code, and the same line goes on to the end that nothing disturbed."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest

from rank_runs import POLITE, assert_same_bits, job_words, newest
from train_fixtures import losses

STEPS = 6
GONE_S = 5
# Three microbatches a step: three replicas have the bits of one process too.
SETTINGS = ["train.epochs=9", "train.global_batch_size=3", "train.microbatch_size=1",
            "model.dtype=bfloat16", "optimizer.type=adamw8bit", "optimizer.stochastic_rounding=true",
            "optimizer.lr=1e-2", "optimizer.clip_norm=0.5", "data.pack=false", "checkpoint.keep=100",
            "checkpoint.every=2", "checkpoint.keep_best=false", "eval.every=2", "eval.steps=4",
            f"train.max_steps={STEPS}", "train.seq_len=56", "log.every=1"]
PIPELINE, REPLICAS = ("1f1b", 3), ("ddp", 3)


class Job:
    """A job in the background, and which of its processes there are."""

    def __init__(self, words, output, env):
        self.output = output
        self.mark = f"FG_TEST_JOB={uuid.uuid4()}".encode()
        env = env | {"FG_TEST_JOB": self.mark.decode().split("=")[1]}
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, env=os.environ | POLITE | env)
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr))
        self.reader.start()

    def ranks(self):
        """{rank: pid} of the job's living processes."""
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if not (folder / "cmdline").read_bytes().split(b"\0")[0].endswith(b"fg-train"):
                    continue
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for word in environment if self.mark in environment else []:
                if word.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(word.split(b"=")[1])] = int(folder.name)
        return found

    def wait_until(self, is_so, what, seconds=90):
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: not in time; {self.text()}"
            time.sleep(0.02)
        return time.monotonic()

    def end(self, wanted=3):
        """The exit code, and the seconds from the first process gone to the last."""
        self.wait_until(lambda: len(self.ranks()) == wanted or self.process.poll() is not None, "start")
        first = self.wait_until(lambda: len(self.ranks()) < wanted, "a rank's end")
        last = self.wait_until(lambda: not self.ranks() and self.process.poll() is not None, "the end")
        self.reader.join(timeout=10)
        return self.process.returncode, last - first

    def text(self):
        return "".join(self.said)


@pytest.fixture
def begin(programs, models, chats, tmp_path):
    """begin(layout, "key=value", …, env={}, on_rank=…, run=…): a Job that has begun."""
    jobs = []

    def start(layout, *settings, env=None, on_rank=None, run="run"):
        output = tmp_path / run
        words = job_words(programs, layout, models("llama"), chats[0], output,
                          [f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}", *SETTINGS,
                           *settings], on_rank=on_rank)
        jobs.append(Job(words, output, env or {}))
        return jobs[-1]

    yield start
    for job in jobs:
        for pid in job.ranks().values():
            os.kill(pid, signal.SIGKILL)
        job.process.kill()
        job.process.wait()
        job.reader.join(timeout=10)


@pytest.fixture(scope="module")
def unbroken(one_process):
    return one_process("llama", *SETTINGS)


def checkpoints(job):
    return sorted(path.name for path in (job.output / "checkpoints").glob("checkpoint-*"))


def left_over(job):
    return sorted(path.name for path in (job.output / "checkpoints").glob(".tmp-*"))


def finish(begin, layout, unbroken):
    """The same line once more, to the end."""
    job = begin(layout)
    code, _ = job.end()
    assert code == 0, job.text()
    assert_same_bits(job.output, unbroken)


# In the middle of the run: what is behind it is not there yet, what is before it stands.
PHASES = {"start": ("train.begin:kill", []), "step": ("train.step:kill@4", ["checkpoint-2"]),
          "evaluation": ("train.evaluation:kill@1", ["checkpoint-2"]),
          "save": ("save.after_weights:kill@1", ["checkpoint-2"])}


@pytest.mark.parametrize("rank, layout", [(0, PIPELINE), (1, ("zbv", 3)), (2, REPLICAS)],
                         ids=["0-1f1b", "1-zbv", "2-ddp"])
def test_a_rank_killed_in_any_phase_ends_all_and_the_same_line_goes_on(rank, layout, begin, unbroken):
    """One run, killed in each phase in turn: it begins again four times."""
    for phase, (place, kept) in PHASES.items():
        job = begin(layout, on_rank=(rank, f"FG_FAIL={place}"))
        code, seconds = job.end()
        assert code == 137, f"{phase}: {job.text()}"
        assert seconds <= GONE_S, phase
        assert checkpoints(job) == kept, phase

    finish(begin, layout, unbroken)


@pytest.fixture
def asleep(begin):
    """asleep(layout, …): a job that waits before step 4, in which a signal comes."""

    def start(layout, *settings, seconds=3):
        job = begin(layout, *settings, env={"FG_FAIL": f"train.step:sleep={seconds}@4"})
        job.wait_until(lambda: (job.output / "metrics.jsonl").exists() and 3 in losses(job.output), "step 3")
        return job

    return start


def test_sigusr1_to_mpirun_saves_leaves_with_75_and_goes_on(asleep, begin, unbroken):
    job = asleep(PIPELINE, "checkpoint.every=100")
    job.process.send_signal(signal.SIGUSR1)

    assert job.end()[0] == 75, job.text()
    assert checkpoints(job) == ["checkpoint-4"]
    finish(begin, PIPELINE, unbroken)


def test_sigusr2_to_mpirun_saves_and_goes_on(asleep, unbroken):
    job = asleep(REPLICAS, "checkpoint.every=100")
    job.process.send_signal(signal.SIGUSR2)

    assert job.end()[0] == 0, job.text()
    assert checkpoints(job) == ["checkpoint-4", f"checkpoint-{STEPS}"]
    assert_same_bits(job.output, unbroken)


@pytest.mark.parametrize("number, code, kept", [(signal.SIGINT, 130, "checkpoint-4"),
                                                (signal.SIGTERM, 143, "checkpoint-2")])
def test_a_signal_to_one_rank_is_all_ranks_business(number, code, kept, asleep, begin, unbroken):
    job = asleep(PIPELINE)
    os.kill(job.ranks()[1], number)

    assert job.end()[0] == code, job.text()
    assert newest(job.output).name == kept
    finish(begin, PIPELINE, unbroken)


def errors(job):
    """Our own; mpirun has its words too, and when they come is its matter."""
    return [line for line in job.text().splitlines() if "error on rank" in line or "] error: " in line]


@pytest.mark.parametrize("layout", [PIPELINE, REPLICAS], ids=["1f1b", "ddp"])
def test_a_rank_that_throws_speaks_first_and_all_leave_with_its_code(layout, begin):
    job = begin(layout, on_rank=(1, "FG_FAIL=train.step:throw@3"))
    code, seconds = job.end()

    assert code == 5, job.text()
    assert seconds <= GONE_S
    assert "error on rank 1: failpoint train.step reached" in errors(job)[0]


def test_a_save_that_fails_on_one_rank_leaves_nothing_and_says_who(begin, unbroken):
    job = begin(PIPELINE, on_rank=(2, "FG_FAIL=save.after_weights:throw"))

    assert job.end()[0] == 5, job.text()
    assert "failpoint save.after_weights reached" in errors(job)[0]
    assert "rank 2" in errors(job)[0]
    assert checkpoints(job) == [] and left_over(job) == []
    finish(begin, PIPELINE, unbroken)


def test_a_second_job_in_the_folder_is_refused_by_name(asleep, begin):
    first = asleep(PIPELINE, seconds=90)
    before = first.ranks()
    second = begin(REPLICAS)

    assert second.end()[0] == 2, second.text()
    assert str(before[0]) in second.text()
    assert first.ranks() == before, "the first one goes on"


def test_a_stopped_rank_is_found_in_time_and_named(asleep):
    timeout = 8
    job = asleep(PIPELINE, f"comm.timeout_s={timeout}")
    os.kill(job.ranks()[1], signal.SIGSTOP)
    begun = time.monotonic()

    assert job.end()[0] == 7, job.text()
    assert time.monotonic() - begun <= timeout + GONE_S
    assert "rank 1" in errors(job)[0]
    assert checkpoints(job) == ["checkpoint-2"]


@pytest.mark.parametrize("more, named", [("--set train.seed=43", "train.seed"),
                                         ("--set optimizer.lr=1e-3", "optimizer.lr")])
def test_a_configuration_that_differs_on_one_rank_is_named(more, named, begin):
    job = begin(PIPELINE, on_rank=(2, f"MORE={more}"))

    assert job.end()[0] == 9, job.text()
    assert named in job.text() and "rank 2" in job.text()
    assert checkpoints(job) == []


def test_another_version_of_the_program_on_one_rank_is_named(begin):
    job = begin(PIPELINE, on_rank=(2, "FG_PLANT=train.other_version"))

    assert job.end()[0] == 9, job.text()
    assert "fg: " in job.text() and "0.0.0" in job.text() and "rank 2" in job.text()
    assert checkpoints(job) == []


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
    assert checkpoints(job) == []
