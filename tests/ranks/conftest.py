"""Models, data and runs of one process that tests of several ranks compare with."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from rank_jobs import SETTINGS, Job  # noqa: E402
from rank_runs import assert_same_bits, job_words, read_tensor_file, run_job, write_chats  # noqa: E402
from train_fixtures import losses, make_chat_model  # noqa: E402

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


@pytest.fixture
def begin(programs, models, chats, tmp_path):
    """begin(layout, "key=value", …, env={}, on_rank=…): a Job that has begun."""
    jobs = []

    def start(layout, *settings, env=None, on_rank=None):
        output = tmp_path / "run"
        words = job_words(programs, layout, models("llama"), chats[0], output,
                          [f"data.cache={tmp_path / 'tokens'}", f"data.eval_path={chats[1]}", *SETTINGS,
                           *settings], on_rank=on_rank)
        jobs.append(Job(words, output, env or {}))
        return jobs[-1]

    yield start
    for job in jobs:
        job.leave_nothing()


@pytest.fixture
def asleep(begin):
    """asleep(layout, …): a job that waits before step 4, in which a signal comes."""

    def start(layout, *settings, seconds=3):
        job = begin(layout, *settings, env={"FG_FAIL": f"train.step:sleep={seconds}@4"})
        job.wait_until(lambda: (job.output / "metrics.jsonl").exists() and 3 in losses(job.output), "step 3")
        return job

    return start


@pytest.fixture(scope="session")
def unbroken(one_process):
    """Folder of the run that nothing disturbed."""
    return one_process("llama", *SETTINGS)


@pytest.fixture
def finish(begin, unbroken):
    """finish(layout, "key=value", …): the same line once more, to the end that nothing disturbed."""

    def run(layout, *settings, as_in=unbroken):
        job = begin(layout, *settings)
        assert job.end()[0] == 0, job.text()
        assert_same_bits(job.output, as_in)

    return run
