"""The tutorial's configurations for several GPUs, on as many ranks as they ask for: as they stand, and the largest as a
V too, with a model of few and narrow layers, short rows and two steps."""

import os
import subprocess

import pytest

from rank_runs import POLITE
from train_fixtures import losses, make_chat_model


@pytest.fixture(scope="module")
def deep_model(root, programs, tmp_path_factory):
    """Of 16 layers: a V on 8 ranks has as many stages."""
    folder = tmp_path_factory.mktemp("deep") / "model"
    return make_chat_model(root, programs, folder, "--layers", "16", "--hidden", "32", "--tied")


@pytest.mark.parametrize("ranks, name, more", [
    (2, "llama2_7b/2gpu_pp", []), (4, "llama2_7b/4gpu_pp", []), (8, "llama2_7b/8gpu_pp", []),
    (8, "llama2_7b/8gpu_pp", ["--pipeline-schedule", "zbv"]), (2, "llama3_1b/pp", []), (2, "llama3_1b/ddp", []),
    (2, "llama3_1b/ddp_adam4bit", [])])
def test_a_configuration_trains_on_its_ranks(ranks, name, more, root, programs, deep_model, few_chats, tmp_path):
    words = [root / "scripts/mpirun.sh", ranks, programs / "fg-train", root / f"configs/samantha/{name}.yaml", "-M",
             deep_model, "--output-dir", tmp_path / "run", "--seq-len", "64", "--max-steps", "2", *more]
    for setting in (f"data.path={few_chats}", f"data.cache={tmp_path / 'cache'}", "data.split=null",
                    "data.eval_split=null", "eval.every=null", "log.every=1", "log.tensorboard=false"):
        words += ["--set", setting]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=200,
                          env=os.environ | POLITE)

    assert done.returncode == 0, done.stderr
    assert sorted(losses(tmp_path / "run")) == [1, 2]
    assert (tmp_path / "run/checkpoints/checkpoint-2/manifest.json").exists()
