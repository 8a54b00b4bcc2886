"""What tests of jobs of several ranks share: starting them, and reading what they leave."""

import json
import os
import pathlib
import random

import numpy as np

from sessions import run_session
from train_fixtures import ONE_THREAD, records

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Ranks that wait leave the core to those that compute: tests have more ranks than cores.
POLITE = ONE_THREAD | {"OMPI_MCA_mpi_yield_when_idle": "1"}

# These tests are about ranks on the CPU, also where there are GPUs, which take no float32.
ON_CPU = ("--devices", "cpu")

# sh -c ON_RANK RANK NAME=VALUE PROGRAM …: sets a variable on one rank alone, or with MORE=… gives it more
# arguments.
ON_RANK = """[ "$OMPI_COMM_WORLD_RANK" = "$0" ] && export "$1"; shift; exec "$@" $MORE"""


def layout(name):
    """("ddp", 4) or ("zbv", 2) or ("one", 1) → ranks and settings."""
    kind, ranks = name
    if kind == "one":
        return 1, []
    if kind == "ddp":
        return ranks, ["train.trainer=ddp"]
    return ranks, ["train.trainer=pipeline", f"parallel.schedule={kind}"]


def job_words(programs, name, model, data, output, settings, options=ON_CPU, on_rank=None):
    """The command of one job. on_rank: (rank, "NAME=VALUE"), for ON_RANK."""
    ranks, parallel = layout(name)
    words = [] if ranks == 1 else [ROOT / "scripts/mpirun.sh", ranks]
    if on_rank:
        words += ["sh", "-c", ON_RANK, on_rank[0], on_rank[1]]
    words += [programs / "fg-train", "-M", model, "--output-dir", output, *options]
    for setting in (f"data.path={data}", "lr_schedule.type=constant", "log.tensorboard=false", *parallel,
                    *settings):
        words += ["--set", setting]
    return [str(word) for word in words]


def run_job(*arguments, env=None, code=0, timeout=120, **how):
    done = run_session(job_words(*arguments, **how), timeout, env=os.environ | POLITE | (env or {}))
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def write_chats(file, count, seed):
    """Conversations of 15 to 60 tokens, so that some rows have several and no two steps are alike."""
    words = (ROOT / "README.md").read_text().split()
    choose = random.Random(seed)
    with open(file, "w") as out:
        for number in range(count):
            texts = [" ".join(choose.choices(words, k=choose.randint(1, 4))) for _ in range(2)]
            turns = [{"from": who, "value": text} for who, text in zip(("human", "gpt"), texts, strict=True)]
            out.write(json.dumps({"id": str(number), "conversations": turns}) + "\n")
    return file


def read_tensor(folder, tensor):
    import h5py

    dtype = np.float32 if tensor["dtype"] == "bfloat16" else tensor["dtype"]
    whole = np.empty(tensor["shape"], dtype)
    for part in tensor["slices"]:
        if part["file"].endswith(".bin"):
            import torch

            return torch.load(folder / part["file"], weights_only=True)[tensor["name"]].float().numpy()
        with h5py.File(folder / part["file"]) as file:
            rows = file[tensor["name"]].astype(dtype)
            if whole.ndim == 0:
                return np.asarray(rows[()])
            whole[part["first_row"]:part["first_row"] + part["rows"]] = rows[:]
    return whole


def manifest_of(checkpoint):
    return json.loads((checkpoint / "manifest.json").read_text())


def tensors_of(checkpoint, use=None):
    """{(use, name): array} of a checkpoint's logical tensors, whoever wrote them."""
    return {(kind, tensor["name"]): read_tensor(checkpoint, tensor)
            for kind, tensors in manifest_of(checkpoint)["slices"].items() if use in (None, kind)
            for tensor in tensors}


def newest(run):
    return max((run / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def state_of(checkpoint):
    return json.loads((checkpoint / "trainer.json").read_text())["state"]


TIMES = {"tokens_per_second", "mfu", "memory_gib", "data_wait_s", "time", "eta_s"}


def numbers_of(run):
    """All that metrics.jsonl tells of the training and not of its speed, by step."""
    return {kind: {step: {key: value for key, value in record.items() if key not in TIMES}
                   for step, record in records(run, kind).items()} for kind in ("loss", "eval_loss")}


def differing(ours, theirs):
    """Names of the tensors that are not equal to the bit."""
    assert ours.keys() == theirs.keys()
    return [" ".join(name) for name in ours
            if ours[name].dtype != theirs[name].dtype or ours[name].tobytes() != theirs[name].tobytes()]


def assert_same_bits(run, other):
    """Weights, optimizer state, place in the data, and all numbers told on the way."""
    assert newest(run).name == newest(other).name
    assert numbers_of(run) == numbers_of(other)
    assert differing(tensors_of(newest(run)), tensors_of(newest(other))) == []
    assert state_of(newest(run)) == state_of(newest(other))


def drift(run, other, start):
    """‖Δ‖ / ‖w − w₀‖ of all weights together; start: the run of no steps."""
    ours, theirs = (tensors_of(newest(folder), "weights") for folder in (run, other))
    moved = sum(np.square(theirs[name] - start[name], dtype=np.float64).sum() for name in theirs)
    apart = sum(np.square(ours[name] - theirs[name], dtype=np.float64).sum() for name in theirs)
    return float(np.sqrt(apart / moved))


def read_tensor_file(file):
    """{("weights", name): array} of a model's safetensors."""
    from safetensors.numpy import load_file

    return {("weights", name): array for name, array in load_file(file).items()}
