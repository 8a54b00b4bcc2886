"""A job in the background, what it leaves, and what its tests share."""

import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid

from rank_runs import POLITE

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

    def stopped(self):
        """Ranks that stand still."""
        def is_stopped(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
            except OSError:
                return False
        return [rank for rank, pid in self.ranks().items() if is_stopped(pid)]

    def wait_until(self, is_so, what, seconds=90):
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: not in time; {self.text()}"
            time.sleep(0.03)
        return time.monotonic()

    def end(self):
        """The exit code, and the seconds from the first process gone to the last."""
        most, first = 0, None

        def is_over():
            nonlocal most, first
            count = len(self.ranks())
            most = max(most, count)
            if count < most and first is None:
                first = time.monotonic()
            return count == 0 and self.process.poll() is not None

        last = self.wait_until(is_over, "the end", seconds=180)
        self.reader.join(timeout=10)
        return self.process.returncode, last - (first or last)

    def leave_nothing(self):
        for pid in self.ranks().values():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.reader.join(timeout=10)

    def text(self):
        return "".join(self.said)

    def errors(self):
        """Our own; mpirun has its words too, and when they come is its matter."""
        return [line for line in self.text().splitlines() if "error on rank" in line or "] error: " in line]

    def checkpoints(self):
        """Their steps."""
        names = (path.name for path in (self.output / "checkpoints").glob("checkpoint-*"))
        return sorted(int(name.split("-")[1]) for name in names)
