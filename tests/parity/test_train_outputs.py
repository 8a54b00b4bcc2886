"""What a run leaves behind, opened by packages we did not write, and what it says before it begins."""

import csv
import json
import math
import re
import shlex
import subprocess
import sys

import pytest

from train_fixtures import losses, make_chat_model, records

SETTINGS = ["train.seq_len=128", "train.global_batch_size=4", "optimizer.type=adafactor",
            "optimizer.lr=1e-2", "optimizer.weight_decay=0", "log.every=2", "train.max_steps=12", "train.epochs=50",
            "eval.every=4", "data.split=train[:80%]", "data.eval_split=train[80%:]",
            "checkpoint.every=4", "checkpoint.keep=2", "lr_schedule.type=linear",
            "lr_schedule.total=12", "lr_schedule.warmup=1500 tokens", "lr_schedule.min_lr_ratio=0.5",
            "optimizer.lr_scaling.base_batch_tokens=1944"]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    file = tmp_path_factory.mktemp("prompts") / "prompts.txt"
    file.write_text("Hello, what is your name?\n")
    return file


@pytest.fixture(scope="module")
def run(train, chat_model, few_chats, prompts, tmp_path_factory):
    """A run's folder. Not to be changed."""
    folder = tmp_path_factory.mktemp("run") / "run"
    train(chat_model, few_chats, folder, *SETTINGS, f"log.samples.prompts={prompts}",
          "log.samples.max_tokens=8")
    return folder


def test_metrics_are_one_truth_in_three_files(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    lines = records(run)
    assert list(lines) == [2, 4, 6, 8, 10, 12]
    wanted = {"step", "epoch", "loss", "grad_norm", "lr", "tokens", "trained_tokens",
              "tokens_per_second", "memory_gib", "data_wait_s"}
    assert all(wanted <= record.keys() for record in lines.values())
    assert all(record["trained_tokens"] <= record["tokens"] for record in lines.values())

    with open(run / "metrics.csv", newline="") as file:
        table = {int(row["step"]): row for row in csv.DictReader(file) if row["loss"]}
    assert {step: float(row["loss"]) for step, row in table.items()} == losses(run)

    events = EventAccumulator(str(run / "tb"))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("train/loss")}
    assert shown == pytest.approx(losses(run), rel=1e-6)
    perplexities = {event.step: event.value for event in events.Scalars("eval/perplexity")}
    assert list(perplexities) == [4, 8, 12]
    texts = [tag for tag in events.Tags()["tensors"] if tag.startswith("samples/")]
    assert len(texts) == 1, "one prompt, one tag"


def test_the_learning_rate_is_what_fg_config_draws(run, programs):
    done = subprocess.run([programs / "fg-config", "graph", run / "config.yaml", "--lr"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    drawn = {int(words[1]): float(words[3]) for words in lines}
    assert list(drawn) == list(range(12)) and drawn[3] == 5e-3
    for step, record in records(run).items():
        assert drawn[step - 1] == pytest.approx(record["lr"], rel=1e-5)


def test_evaluations_are_token_weighted(hf, run, programs, few_chats, chat_model):
    """The last evaluation's loss is that of fg-eval, which is compared with transformers elsewhere."""
    last = records(run, "eval_loss")[12]
    assert last["eval_perplexity"] == pytest.approx(math.exp(last["eval_loss"]))
    done = subprocess.run(
        [str(word) for word in (programs / "fg-eval", run / "checkpoints/checkpoint-12", "--data",
         few_chats, "--split", "train[80%:]", "--seq-len", 128, "--json")],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["eval_loss"] == pytest.approx(last["eval_loss"], rel=1e-5)
    assert told["eval_tokens"] == last["eval_tokens"]


def test_the_last_two_checkpoints_and_the_best_stay(run):
    left = {int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*")}
    evaluations = records(run, "eval_loss")
    best = min(evaluations, key=lambda step: evaluations[step]["eval_loss"])
    assert left == {8, 12} | {best}


def test_the_run_folder_is_a_model_for_transformers(hf, run):
    import torch
    from safetensors.torch import load_file  # noqa: F401
    import h5py

    config = hf.AutoConfig.from_pretrained(run)
    tokenizer = hf.AutoTokenizer.from_pretrained(run)
    model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with h5py.File(run / "checkpoints/checkpoint-12/model-r00000.h5") as file:
        names = []
        file.visit(names.append)
        tensors = {name: torch.tensor(file[name][()]) for name in names
                   if isinstance(file[name], h5py.Dataset)}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    text = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert text.startswith("<|im_start|>user")


def test_the_resolved_configuration_trains_again_to_the_same_losses(run, programs, tmp_path):
    again = tmp_path / "again"
    done = subprocess.run([str(word) for word in (programs / "fg-train", run / "config.yaml",
                           "--output-dir", again)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert losses(again) == losses(run)


def test_early_stop_ends_the_run_when_nothing_is_gained(train, chat_model, few_chats, tmp_path):
    run = tmp_path / "run"
    done = train(chat_model, few_chats, run, *SETTINGS, "train.max_steps=100",
                 "eval.every=2", "eval.early_stop.patience=2", "eval.early_stop.min_delta=100")
    assert max(losses(run)) == 6, "the first evaluation is a gain, two are not"
    assert (run / "checkpoints/checkpoint-6").exists()
    assert done.returncode == 0


def test_from_scratch_needs_a_configuration_and_a_tokenizer_alone(train, chat_model, few_chats,
                                                                  tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in chat_model.iterdir():
        if not file.name.startswith("model"):
            (bare / file.name).write_bytes(file.read_bytes())
    train(bare, few_chats, tmp_path / "run", *SETTINGS, "model.init=random")
    found = losses(tmp_path / "run")
    assert found[2] == pytest.approx(math.log(516), rel=0.05), "uniform guessing"
    assert found[12] < found[2]


def test_save_strategy_no_leaves_no_checkpoint(train, chat_model, few_chats, tmp_path):
    train(chat_model, few_chats, tmp_path / "run", *SETTINGS,
          options=["--save-strategy", "no", "--max-steps", "2"])
    assert list((tmp_path / "run/checkpoints").glob("checkpoint-*")) == []


def test_bin_checkpoints_are_read_by_torch_and_resumed(hf, run, train, chat_model, few_chats,
                                                       tmp_path):
    import torch

    straight = run
    run = tmp_path / "run"
    settings = [*SETTINGS, "checkpoint.format=bin"]
    train(chat_model, few_chats, run, *settings, "train.max_steps=4")
    (weights,) = (run / "checkpoints/checkpoint-4").glob("pytorch_model-*.bin")
    assert "model.norm.weight" in torch.load(weights, weights_only=True)
    train(chat_model, few_chats, run, *settings)
    assert losses(run) == losses(straight)


def test_groups_are_shown_with_their_state_and_bytes(train, chat_model, few_chats, tmp_path):
    done = train(chat_model, few_chats, tmp_path / "run", *SETTINGS,
                 "optimizer_groups.embeddings.regex=embed_tokens|lm_head",
                 "optimizer_groups.embeddings.lr=1e-4", "optimizer_groups.embeddings.type=adamw4bit",
                 options=["--debug-optimizer-groups"])
    row = next(line for line in done.stdout.splitlines() if line.startswith("model.embed_tokens"))
    assert "embeddings" in row and "adamw4bit" in row
    assert "5e-05" in row, "a group's lr is scaled as the optimizer's own"
    assert not (tmp_path / "run").exists()


def test_a_regex_that_matches_nothing_is_refused(train, chat_model, few_chats, tmp_path):
    done = train(chat_model, few_chats, tmp_path / "run", *SETTINGS,
                 "optimizer_groups.wrong.regex=embed_token[^s]", "optimizer_groups.wrong.lr=1e-4",
                 code=2)
    assert "wrong" in done.stderr


def every_configuration(root):
    return sorted(path.relative_to(root / "configs") for path in (root / "configs").rglob("*.yaml")
                  if path.parent.name not in ("add_tokens", "base"))


def test_every_configuration_runs_dry(root, programs, tmp_path):
    chat_model = make_chat_model(root, programs, tmp_path / "model", "--layers", "16")  # 8 ranks x 2 stages
    found = every_configuration(root)
    assert len(found) >= 13
    for path in found:
        done = subprocess.run(
            [str(word) for word in (programs / "fg-train", root / "configs" / path, "-M", chat_model,
             "--output-dir", tmp_path / "run", "--dry-run")], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{path}: {done.stderr}"
        assert "memory" in done.stdout and "srun --mpi=pmix" in done.stdout, path
    assert not (tmp_path / "run").exists()


def test_a_printed_launch_line_typed_asks_for_the_same_run(programs, chat_model, few_chats, tmp_path):
    """Blanks, quotes and the device, too."""
    def launch_lines(words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return [line.strip() for line in done.stdout.splitlines() if "fg-train" in line]

    (tmp_path / "a b.yaml").write_text("train: {seq_len: 64}\n")
    lines = launch_lines([str(word) for word in (
        programs / "fg-train", "a b.yaml", "-M", chat_model, "--output-dir", "it's r 2", "-d", "cpu", "--dry-run",
        "--set", f"data.path={few_chats}", "--set", "data.split=train[:9]")])
    assert len(lines) == 2 and " --devices cpu" in lines[0] and "srun --mpi=pmix" in lines[1]
    name, *typed = shlex.split(lines[0])
    assert name == "fg-train" and {"a b.yaml", "it's r 2", "data.split=train[:9]"} <= set(typed)
    assert launch_lines([str(programs / name), *typed, "--dry-run"]) == lines


@pytest.mark.parametrize("words, is_wanted", [([], False), (["--deterministic"], True),
                                              (["--set", "train.deterministic=true"], True)])
def test_the_header_says_whether_a_run_is_deterministic(programs, chat_model, few_chats, tmp_path, words, is_wanted):
    done = subprocess.run([programs / "fg-train", "-M", chat_model, "--output-dir", tmp_path / "run", "-d", "cpu",
                           "--set", f"data.path={few_chats}", "--dry-run", *words],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    device = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["device:"])
    assert device.endswith(", deterministic") == is_wanted, device


def test_help_says_what_ranks_do_and_the_codes_of_the_program(programs):
    def help_of(name):
        done = subprocess.run([programs / name, "--help"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        return " ".join(done.stdout.split())

    train, chat, config = (help_of(name) for name in ("fg-train", "fg-chat", "fg-config"))
    assert "7 a rank hung, 8 a rank or GPU was lost" in train and "75 saved before the end" in train
    assert "the ranks share the work" in train
    assert "6 not finite" in chat and "75" not in chat and "`srun --mpi=pmix` it is refused" in chat
    assert "only rank 0 answers" in config and "6 not finite" not in config


def test_several_ranks_of_a_basic_configuration_are_refused_by_its_name(root, programs, chat_model, few_chats, tmp_path):
    done = subprocess.run([str(word) for word in (
        root / "scripts/mpirun.sh", 2, programs / "fg-train", "-M", chat_model, "--output-dir", tmp_path / "run",
        root / "configs/samantha/llama3_1b/1gpu_default.yaml", "--set", f"data.path={few_chats}")],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "train.trainer basic takes 1 rank, but the job has 2 ranks" in done.stderr


@pytest.mark.parametrize("dtype, optimizer, policy, length", [
    ("float32", "adamw", "keep", 256),
    # Short, since a CPU without bfloat16 products takes minutes for more.
    ("bfloat16", "adafactor", "checkpoint", 8)])
def test_the_forecast_is_within_a_tenth_of_the_peak(dtype, optimizer, policy, length, root, programs,
                                                    train, few_chats, tmp_path):
    """With weights of 500 MB and more; the program says both at the end of a run."""
    hidden = "768" if dtype == "float32" else "1024"
    layers = "18" if dtype == "float32" else "20"
    model = make_chat_model(root, programs, tmp_path / "model", "--hidden", hidden, "--layers", layers,
                            "--heads", "8", "--kv-heads", "8", dtype=dtype)
    assert sum(path.stat().st_size for path in model.glob("*.safetensors")) >= 500e6
    done = train(model, few_chats, tmp_path / "run", f"train.seq_len={length}",
                 "train.global_batch_size=1", f"model.dtype={dtype}", f"optimizer.type={optimizer}", f"memory.policy={policy}",
                 "train.max_steps=1", options=["--save-strategy", "no"])
    told = re.search(r"peak memory (\d+) bytes, forecast (\d+)", done.stderr)
    assert told, done.stderr
    peak, forecast = map(int, told.groups())
    assert abs(forecast - peak) <= 0.1 * peak
