"""What tests of fg-train share: a small model with ChatML tokens, runs, and their records."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

# Tests run side by side; threads that wait for each other by spinning would only slow them all down.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

DATA = pathlib.Path(__file__).resolve().parents[1] / "configs/samantha/data"


def make_chat_model(root, programs, folder, *options, dtype="float32"):
    """A Llama-shaped model with random weights, converted with ChatML tokens to `folder`."""
    source = folder.parent / (folder.name + "-source")
    subprocess.run([sys.executable, root / "scripts/make_model.py", source, "--dtype", dtype, *options],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([programs / "fg-convert", source, folder, "--format", "safetensors",
                    "--add-tokens", root / "configs/add_tokens/chatml.yaml",
                    "-t", root / "configs/chat_templates/chatml.jinja"],
                   check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def chat_model(root, programs, tmp_path_factory):
    """Folder of a float32 model of hidden size 64. Not to be changed."""
    return make_chat_model(root, programs, tmp_path_factory.mktemp("chat") / "model")


@pytest.fixture(scope="session")
def few_chats(tmp_path_factory):
    """A file of 60 of the bundled conversations."""
    lines = (DATA / "train.jsonl").read_text().splitlines(keepends=True)
    file = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    file.write_text("".join(lines[::10][:60]))
    return file


@pytest.fixture(scope="session")
def train(programs, tmp_path_factory):
    """train(model, data, output, "key=value", …, options=[], env={}, code=0): one fg-train run."""
    cache = tmp_path_factory.mktemp("tokens")

    def run(model, data, output, *settings, options=(), env=None, code=0, timeout=300):
        words = [programs / "fg-train", "-M", model, "--output-dir", output, *options]
        for setting in (f"data.path={data}", f"data.cache={cache}",
                        "lr_schedule.type=constant", *settings):
            words += ["--set", setting]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              timeout=timeout, env=os.environ | ONE_THREAD | (env or {}))
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def records(run, kind="loss"):
    """The records of metrics.jsonl that have this key, by step."""
    lines = (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return {record["step"]: record for record in found if kind in record}


def losses(run):
    return {step: record["loss"] for step, record in records(run).items()}
