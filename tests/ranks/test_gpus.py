"""Two ranks on two GPUs, over NCCL, against one process on one of them, and what becomes of a rank that dies or
stands still there. Skipped where there are no two GPUs; the functions know no device, so

    FG_TEST_DEVICES=cpu python -m pytest tests/ranks/test_gpus.py

tries them on the CPU, over MPI."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from rank_runs import ON_CPU, POLITE, assert_same_bits, drift, job_words, newest
from train_fixtures import losses

# As the runs on the CPU, but in the type that GPUs train in.
COMMON = ["train.epochs=9", "train.max_steps=6", "eval.every=3", "checkpoint.keep=9", "model.dtype=bfloat16",
          "optimizer.type=adamw", "optimizer.stochastic_rounding=true", "optimizer.lr=1e-2",
          "train.global_batch_size=4", "train.microbatch_size=1"]
CASES = {"packed": ["data.pack=true", "optimizer.clip_norm=0.5", "memory.policy=keep"],
         "alone": ["data.pack=false", "optimizer.clip_norm=0", "memory.policy=checkpoint"]}
# A microbatch each; in another order than on one GPU there is little to add up.
OF_REPLICAS = ["train.global_batch_size=2", "train.microbatch_size=1"]
TIMEOUT_S = 8
GONE_S = 5


@pytest.fixture(scope="module")
def options(programs):
    """options(ranks): words for the command line."""
    if os.environ.get("FG_TEST_DEVICES") == "cpu":
        return lambda ranks: ["--deterministic", *ON_CPU]
    found = []
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
        found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    if len(found) < 2:
        pytest.skip("[gpu] there are no two GPUs")
    version = subprocess.run([programs / "fg-train", "--version"], capture_output=True, text=True, check=True)
    if "kernels for" not in version.stdout:
        pytest.skip("[gpu] the programs are built for the CPU alone")
    return lambda ranks: ["--deterministic", "--devices", ",".join(str(gpu) for gpu in range(ranks))]


def require_gpus(said, words):
    """NCCL has its part only where each rank has a GPU of its own, as the table of ranks tells."""
    devices = re.findall(r"\b([01]) +\S+ +(GPU [01]|CPU)\b", said)
    wanted = ["CPU", "CPU"] if "cpu" in words else ["GPU 0", "GPU 1"]
    assert [device for _, device in sorted(devices)] == wanted, said


@pytest.fixture(scope="module")
def run(job, options, tmp_path_factory):
    """run(layout, "key=value", …): a run's folder, made once."""
    made = {}

    def start(layout, *settings):
        key = (layout, *settings)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("gpus") / "run"
            words = options(layout[1])
            done = job(layout, "llama", made[key], *COMMON, *settings, options=words)
            if layout[1] == 2:
                require_gpus(done.stderr, words)
        return made[key]

    yield start
    for folder in made.values():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("schedule", ["1f1b", "zbv"])
def test_a_pipeline_has_the_bits_of_one_process(schedule, case, run):
    assert_same_bits(run((schedule, 2), *CASES[case]), run(("one", 1), *CASES[case]))


def assert_close(folder, other, start):
    """In bfloat16, with gradients added in another order."""
    ours, theirs = losses(folder), losses(other)
    assert ours.keys() == theirs.keys() and len(ours) == 6
    assert max(abs(ours[step] - theirs[step]) / theirs[step] for step in ours) <= 5e-3
    assert drift(folder, other, start) <= 0.05


@pytest.mark.parametrize("case", CASES)
def test_replicas_are_close_to_one_process(case, run, start):
    """To the bit they need not be: NCCL adds in an order of its own."""
    settings = [*CASES[case], *OF_REPLICAS]
    assert_close(run(("ddp", 2), *settings), run(("one", 1), *settings), start("llama"))


def shown(words, of_rank):
    """The job's words, where `of_rank` says which GPUs each rank sees."""
    choose = "".join(f"{rank}) export CUDA_VISIBLE_DEVICES={gpus};; " for rank, gpus in enumerate(of_rank))
    return [*words[:2], "sh", "-c", f'case $OMPI_COMM_WORLD_RANK in {choose}esac; exec "$0" "$@"', *words[2:]]


@pytest.fixture
def words_of_two(programs, models, chats, options, tmp_path):
    """Of a short pipeline whose ranks choose their devices themselves."""
    devices = ON_CPU if "cpu" in options(2) else ("--devices", "auto")
    return job_words(programs, ("1f1b", 2), models("llama"), chats[0], tmp_path / "run",
                     [f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}", "train.seq_len=56",
                      *COMMON, "train.max_steps=1"], options=devices)


def test_ranks_that_are_shown_one_gpu_each_take_it(words_of_two):
    """As srun --gpus-per-task=1 does it: each has a GPU 0."""
    done = subprocess.run(shown(words_of_two, ["0", "1"]), capture_output=True, text=True, timeout=120,
                          env=os.environ | POLITE)
    assert done.returncode == 0, done.stderr
    devices = re.findall(r"\b[01] +\S+ +(GPU \d|CPU)\b", done.stderr)
    assert devices == (["CPU", "CPU"] if "cpu" in words_of_two else ["GPU 0", "GPU 0"]), done.stderr


def test_two_ranks_that_would_have_one_gpu_are_refused(words_of_two):
    if "cpu" in words_of_two:
        pytest.skip("[gpu] ranks may share a CPU")
    done = subprocess.run(shown(words_of_two, ["1", "1,0"]), capture_output=True, text=True, timeout=120,
                          env=os.environ | POLITE)
    assert done.returncode == 2, done.stderr
    assert re.search(r"ranks 0 and 1 \(\S+\) have the same device, GPU-[0-9a-f-]{36}; each needs its own", done.stderr)


# sh -c NOTE FOLDER PROGRAM …: tells who is which rank.
NOTE = 'echo $$ > "$0/$OMPI_COMM_WORLD_RANK"; exec "$@"'


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


class Asleep:
    """A job of two ranks that waits before step 4 for a signal, its first checkpoint behind it."""

    def __init__(self, words, folder):
        self.folder = folder
        self.said = folder / "said"
        (folder / "pids").mkdir()
        words = [*words[:2], "sh", "-c", NOTE, str(folder / "pids"), *words[2:]]
        with open(self.said, "w") as said:
            self.process = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=said,
                env=os.environ | POLITE | {"FG_FAIL": "train.step:sleep=4@4"})
        try:
            self.wait_for(lambda: (folder / "run/checkpoints/checkpoint-3").exists(), 120)
            time.sleep(1)  # every rank has left the save
            self.pids = [int((folder / f"pids/{rank}").read_text()) for rank in (0, 1)]
        except BaseException:
            self.process.kill()
            raise

    def wait_for(self, is_so, seconds):
        deadline = time.monotonic() + seconds
        while not is_so():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.05)

    def end_after(self, number, seconds):
        """Sends rank 1 this signal; the exit code, which must come in time and leave no rank."""
        os.kill(self.pids[1], number)
        code = self.process.wait(timeout=seconds)
        assert [pid for pid in self.pids if is_alive(pid)] == [], self.said.read_text()
        return code

    def clear_away(self):
        for pid in filter(is_alive, self.pids):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def asleep(programs, models, chats, options, tmp_path):
    """asleep(layout, "key=value", …): an Asleep, and the words that go on with it."""
    jobs = []

    def start(layout, *settings):
        words = job_words(programs, layout, models("llama"), chats[0], tmp_path / "run",
                          [f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}", "train.seq_len=56",
                           "log.every=1", *COMMON, *settings], options=options(2))
        jobs.append(Asleep(words, tmp_path))
        require_gpus(jobs[-1].said.read_text(), words)
        return jobs[-1], words

    yield start
    for one in jobs:
        one.clear_away()


LAYOUTS = [("1f1b", 2), ("ddp", 2)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["1f1b", "ddp"])
def test_a_killed_rank_ends_the_job_and_the_same_line_goes_on(layout, asleep, run, start):
    settings = [*CASES["packed"], *(OF_REPLICAS if layout[0] == "ddp" else [])]
    job, words = asleep(layout, *settings)

    # Most often the launcher sees it first; else the other rank, whose GPU waits for it.
    assert job.end_after(signal.SIGKILL, GONE_S) in (137, 8), job.said.read_text()
    assert newest(job.folder / "run").name == "checkpoint-3"
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=os.environ | POLITE)
    assert done.returncode == 0, done.stderr
    if layout[0] == "ddp":
        assert_close(job.folder / "run", run(("one", 1), *settings), start("llama"))
    else:
        assert_same_bits(job.folder / "run", run(("one", 1), *settings))


@pytest.mark.parametrize("layout", LAYOUTS, ids=["1f1b", "ddp"])
def test_a_stopped_rank_is_found_in_time_and_the_other_tells_what_it_waits_for(layout, asleep):
    job, _ = asleep(layout, *CASES["packed"], *(OF_REPLICAS if layout[0] == "ddp" else []),
                    f"comm.timeout_s={TIMEOUT_S}")

    assert job.end_after(signal.SIGSTOP, TIMEOUT_S + GONE_S) == 7, job.said.read_text()
    errors = [line for line in job.said.read_text().splitlines() if "] error: " in line or "error on rank" in line]
    assert "rank 1" in errors[0]
    report = json.loads((job.folder / "run/hang-0.json").read_text())
    assert report["rank"] == 0
    under_way = [operation for operation in report["operations"] if operation["ended"] is None]
    assert under_way and all(1 in operation["peers"] for operation in under_way), report
