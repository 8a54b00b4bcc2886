"""Models, data and runs of one process that tests of several ranks compare with."""

import shutil

import pytest

from rank_runs import read_tensor_file, run_job, write_chats
from train_fixtures import make_chat_model

SHAPE = ("--hidden", "32", "--layers", "8", "--vocab", "512")
MODELS = {"llama": (), "tied": ("--tied",), "qwen2": ("--family", "qwen2"),
          "mistral": ("--family", "mistral", "--window", "8")}


@pytest.fixture(scope="session")
def models(root, programs, tmp_path_factory):
    """models(name): folder of a small float32 model with random weights. Not to be changed."""
    folder = tmp_path_factory.mktemp("models")

    def model(name):
        if not (folder / name).exists():
            make_chat_model(root, programs, folder / name, *SHAPE, *MODELS[name])
        return folder / name

    return model


@pytest.fixture(scope="session")
def start(models):
    """start(name): the model's tensors before training, as tensors_of gives them."""
    return lambda name: read_tensor_file(models(name) / "model.safetensors")


@pytest.fixture(scope="session")
def chats(tmp_path_factory):
    """Conversations to train on, and fewer to evaluate with."""
    folder = tmp_path_factory.mktemp("chats")
    return write_chats(folder / "train.jsonl", 26, 1), write_chats(folder / "eval.jsonl", 9, 2)


@pytest.fixture(scope="session")
def job(programs, models, chats, tmp_path_factory):
    """job(layout, model, output, "key=value", …): one run to its end."""
    cache = tmp_path_factory.mktemp("tokens")

    def run(name, model, output, *settings, **how):
        return run_job(programs, name, models(model), chats[0], output,
                       [f"data.cache={cache}", f"data.eval_path={chats[1]}", "train.seq_len=56",
                        "log.every=1", *settings], **how)

    return run


@pytest.fixture(scope="session")
def one_process(job, tmp_path_factory):
    """one_process(model, "key=value", …): the folder of a run by one process, made once."""
    made = {}

    def run(model, *settings):
        key = (model, *settings)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("one") / "run"
            job(("one", 1), model, made[key], *settings)
        return made[key]

    yield run
    for folder in made.values():
        shutil.rmtree(folder, ignore_errors=True)
