"""fg-train as a job: resumed, killed, signalled, refused. What a checkpoint promises is compared to the
byte with the run that nothing disturbed."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from train_fixtures import ONE_THREAD, losses, records

STEPS = 12
# bfloat16 weights with stochastic rounding, quantised state, kept gradients, an epoch's end on the way.
SETTINGS = ["model.dtype=bfloat16", "train.seq_len=64", "train.global_batch_size=4", "train.epochs=50",
            "optimizer.type=adamw8bit", "optimizer.lr=1e-3", "optimizer.clip_norm=1.0",
            "lr_schedule.type=cosine", "lr_schedule.warmup=3", "log.every=2",
            "checkpoint.every=1", "checkpoint.keep=100", f"train.max_steps={STEPS}",
            "eval.every=5", "eval.steps=2", "data.split=train[:80%]", "data.eval_split=train[80%:]"]


def files_of(checkpoint):
    """Hashes of all weights and all optimizer state, from the manifest that a load verifies."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    return {name: record for name, record in manifest["files"].items() if name.endswith(".h5")}


def state_of(checkpoint):
    return json.loads((checkpoint / "trainer.json").read_text())["state"]


@pytest.fixture(scope="session")
def unbroken(programs, chat_model, few_chats, tmp_path_factory):
    """A run of STEPS steps with a checkpoint after each. Not to be changed."""
    folder = tmp_path_factory.mktemp("unbroken")
    words = [programs / "fg-train", "-M", chat_model, "--output-dir", folder / "run"]
    for setting in (f"data.path={few_chats}", f"data.cache={folder / 'cache'}", *SETTINGS):
        words += ["--set", setting]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300,
                          env=os.environ | ONE_THREAD)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def assert_same_end(run, unbroken):
    ours, theirs = (folder / f"checkpoints/checkpoint-{STEPS}" for folder in (run, unbroken))
    assert files_of(ours) == files_of(theirs)
    assert len(files_of(ours)) == 2
    assert state_of(ours) == state_of(theirs)
    assert losses(run).items() <= losses(unbroken).items() and losses(run)[STEPS] > 0


@pytest.mark.parametrize("step", range(1, STEPS))
def test_a_run_resumed_at_any_step_ends_equal_to_the_byte(step, train, unbroken, chat_model, few_chats,
                                                          tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copytree(unbroken / f"checkpoints/checkpoint-{step}", run / f"checkpoints/checkpoint-{step}")

    done = train(chat_model, few_chats, run, *SETTINGS)

    assert f"checkpoint-{step}" in done.stderr
    assert_same_end(run, unbroken)


def test_a_killed_run_goes_on_by_the_same_command(train, unbroken, chat_model, few_chats, tmp_path):
    run = tmp_path / "run"
    train(chat_model, few_chats, run, *SETTINGS, env={"FG_FAIL": "train.step:kill@8"}, code=-9)
    assert max(losses(run)) == 6, "metrics are flushed line by line"

    train(chat_model, few_chats, run, *SETTINGS)

    assert_same_end(run, unbroken)
    assert list(losses(run)) == list(losses(unbroken))
    assert records(run, "eval_loss").keys() == records(unbroken, "eval_loss").keys()


def test_the_memory_policies_end_equal_to_the_byte(train, unbroken, chat_model, few_chats, tmp_path):
    run = tmp_path / "run"
    train(chat_model, few_chats, run, *SETTINGS, "memory.policy=checkpoint")

    assert_same_end(run, unbroken)


class Running:
    """A run in the background that will not end by itself."""

    def __init__(self, programs, model, data, folder):
        words = [programs / "fg-train", "-M", model, "--output-dir", folder / "run"]
        for setting in (f"data.path={data}", f"data.cache={folder / 'cache'}", *SETTINGS,
                        "train.max_steps=100000", "train.epochs=100000", "log.every=1",
                        "checkpoint.every=100000"):
            words += ["--set", setting]
        self.run = folder / "run"
        self.process = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True,
                                        env=os.environ | ONE_THREAD)

    def wait_for_step(self, step):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (self.run / "metrics.jsonl").exists() and max(losses(self.run), default=0) >= step:
                return
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        raise AssertionError(f"step {step} was not reached in time")

    def checkpoints(self):
        return sorted(path.name for path in (self.run / "checkpoints").glob("checkpoint-*"))

    def end(self):
        return self.process.wait(timeout=60)


@pytest.fixture
def running(programs, chat_model, few_chats, tmp_path):
    job = Running(programs, chat_model, few_chats, tmp_path)
    job.wait_for_step(2)
    yield job
    job.process.kill()
    job.process.wait()


@pytest.mark.parametrize("number, code", [(signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_signals_that_save_and_leave(number, code, running):
    running.process.send_signal(number)

    assert running.end() == code
    assert len(running.checkpoints()) == 1


def test_sigusr2_saves_and_goes_on(running):
    running.process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 30
    while not running.checkpoints() and time.monotonic() < deadline:
        time.sleep(0.05)
    saved = running.checkpoints()
    assert len(saved) == 1

    step = max(losses(running.run))
    running.wait_for_step(step + 2)
    # An evaluation on the way may have kept its best.
    assert running.checkpoints()[0] == saved[0]


def test_sigterm_leaves_at_once_without_saving(running):
    running.process.send_signal(signal.SIGTERM)

    assert running.end() == 143
    assert running.checkpoints() == []


def test_a_second_run_in_the_folder_is_refused_and_told_who_holds_it(running, train, chat_model,
                                                                     few_chats):
    done = train(chat_model, few_chats, running.run, *SETTINGS, code=2)

    assert str(running.process.pid) in done.stderr


def test_none_on_a_used_folder_is_refused(train, unbroken, chat_model, few_chats):
    done = train(chat_model, few_chats, unbroken, *SETTINGS,
                 options=["--resume-from-checkpoint", "none"], code=2)

    assert "checkpoint" in done.stderr


@pytest.mark.parametrize("setting, named", [("train.seed=43", "seed"), ("train.seq_len=96", "seq_len"),
                                            ("data.train_on=assistant", "data")])
def test_a_run_does_not_go_on_as_another(setting, named, train, unbroken, chat_model, few_chats):
    done = train(chat_model, few_chats, unbroken, *SETTINGS, setting, "train.max_steps=20", code=2)

    assert named in done.stderr


def test_a_changed_learning_rate_is_told_and_goes_on(train, unbroken, chat_model, few_chats, tmp_path):
    run = shutil.copytree(unbroken, tmp_path / "run", symlinks=True)
    done = train(chat_model, few_chats, run, *SETTINGS, "optimizer.lr=1e-4", "train.max_steps=13")

    assert "optimizer.lr: 0.001 then, 0.0001 now" in done.stderr
    assert (run / "checkpoints/checkpoint-13").exists()


def test_a_damaged_checkpoint_is_passed_over_with_its_reason(train, unbroken, chat_model, few_chats,
                                                             tmp_path):
    run = shutil.copytree(unbroken, tmp_path / "run", symlinks=True)
    weights = run / f"checkpoints/checkpoint-{STEPS}/model-r00000.h5"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.unlink()
    weights.write_bytes(content)

    done = train(chat_model, few_chats, run, *SETTINGS)

    assert "model-r00000.h5" in done.stderr
    assert_same_end(run, unbroken)


def test_a_nan_ends_the_run_and_leaves_the_last_checkpoint(train, chat_model, few_chats, tmp_path):
    run = tmp_path / "run"
    done = train(chat_model, few_chats, run, *SETTINGS, "optimizer.lr=1e30", "lr_schedule.warmup=0",
                 "lr_schedule.type=constant", "optimizer.type=sgd", "optimizer.clip_norm=0", code=6)

    assert "step" in done.stderr
    for checkpoint in (run / "checkpoints").glob("checkpoint-*"):
        assert (checkpoint / "manifest.json").exists()


def test_ranks_that_do_not_fit_the_configuration_are_refused_with_both_numbers(mpirun, programs, chat_model,
                                                                              few_chats, tmp_path):
    done = mpirun(2, [programs / "fg-train", "-M", chat_model, "--output-dir", tmp_path / "run", "--set",
                      f"data.path={few_chats}", "--set", "parallel.pipeline=3"], timeout=60)

    assert done.returncode == 2
    assert "3 ranks" in done.stderr and "2 were started" in done.stderr
    assert not (tmp_path / "run/checkpoints").exists()


def test_mistakes_are_listed_at_once(train, chat_model, few_chats, tmp_path):
    done = train(chat_model, few_chats, tmp_path / "run", "train.epocs=3", "optimizer.type=adamx",
                 "train.seq_len=0", code=2)

    assert "did you mean 'epochs'" in done.stderr
    assert "adamx" in done.stderr and "seq_len" in done.stderr


def test_data_that_is_not_there_is_named(train, chat_model, tmp_path):
    done = train(chat_model, tmp_path / "nowhere.jsonl", tmp_path / "run", code=3)

    assert "nowhere.jsonl" in done.stderr
