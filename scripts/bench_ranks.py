#!/usr/bin/env python3
"""Trains one model's shape with fg-train on one rank and on several, in turns, and prints what the ranks gain.

    scripts/bench_ranks.py MODEL [--shape 7b|1b|as-it-is] [--ranks 2] [--setups 1f1b zb_h1 zbv ddp]
                           [--rows 16] [--microbatch 1] [--length 2048] [--policy keep] [--steps 20] [--wire 1gbit]
                           [--box] [--extra-warmup 0] [--set KEY=VALUE ...] [--one SPEED] [--line 4] [--limit 900]
                           [--json FILE]

MODEL is a folder with a tokenizer and a config.json; weights are random, and rows are whole documents of English
text. A row of the table a run: positions a second (of all log lines, --line steps each, but the first and the last;
and of the slowest and the fastest), the ratio to one rank, and for pipelines the share of the ranks times one rank
that a textbook pipeline would reach (1F1B with a fused backward m / (m + p - 1), else 3m / (3m + p - 1)). With
--wire, a link of that rate is pretended between the ranks (comm.simulate_link), and the share is that of what it
carries; with --box as well two hosts of scripts/cluster_in_a_box.sh, which must be up, are joined by a wire that has
that rate. Without a word behind --setups one rank alone is measured; --one says its speed instead of measuring it. The
JSON file is written anew behind each run.
Where one fails or takes more than --limit seconds, its train.log and hang-*.json are copied to the folder that OUT
names, else the working one."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from bench.rows import SHAPES

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHATS = ROOT / "configs/samantha/data/train.jsonl"
MOST_LETTERS = 8  # of a token, on average: 4 to 5 in vocabularies of 32k to 128k
TAKE_EXTRA_WARMUP = ("1f1b", "zb_h1")
PIPELINES = ("gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv")


def textbook(setup, ranks, microbatches):
    """The share of the ranks' time that a pipeline without wires computes."""
    if setup in ("gpipe", "1f1b"):
        return microbatches / (microbatches + ranks - 1)
    if setup in ("zb_h1", "zbv"):
        return 3 * microbatches / (3 * microbatches + ranks - 1)
    return 2 * microbatches / (2 * microbatches + ranks - 1)  # interleaved, two stages a rank


def wire_bound(config, rate):
    """Positions a second that one boundary of a pipeline lets through one way, in bfloat16."""
    number = float("".join(letter for letter in rate if letter.isdigit() or letter == "."))
    bits = number * (1e9 if rate.endswith("gbit") else 1e6)
    payload = bits / 8 * 1448 / 1538  # TCP with time stamps in frames of 1,500 bytes
    return payload / (2 * config["hidden_size"])


def config_of(shape):
    """A shape as config.json has it."""
    config = {"model_type": shape.family, "vocab_size": shape.vocab, "hidden_size": shape.hidden,
              "intermediate_size": shape.intermediate, "num_hidden_layers": shape.layers,
              "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
              "max_position_embeddings": shape.context, "rope_theta": shape.theta, "rms_norm_eps": 1e-5,
              "tie_word_embeddings": shape.tied, "hidden_act": "silu", "initializer_range": 0.02}
    return config | ({"sliding_window": shape.window} if shape.window else {})


def make_inputs(arguments, folder):
    """config.json of the shape, and documents that are cut to the length of a row, more than the steps take."""
    config = json.loads((arguments.model / "config.json").read_text())
    if arguments.shape != "as-it-is":
        config = config_of(SHAPES[arguments.shape])
    (folder / "shape").mkdir()
    (folder / "shape/config.json").write_text(json.dumps(config))
    turns = [turn["value"] for line in CHATS.read_text().splitlines() for turn in json.loads(line)["conversations"]]
    text = " ".join(turns)
    size = MOST_LETTERS * arguments.length
    text *= 1 + size // len(text)
    with open(folder / "texts.jsonl", "w") as out:
        for number in range(arguments.rows * (arguments.steps + 1)):
            begin = number * 7919 % (len(text) - size)
            out.write(json.dumps({"text": text[begin:begin + size]}) + "\n")
    return config


def command(arguments, folder, setup):
    words = [arguments.bin / "fg-train", "--devices", arguments.devices, "--save-strategy", "no",
             "--max-steps", arguments.steps, "--seq-len", arguments.length, "--output-dir", folder / setup]
    settings = {"model.init": "random", "model.config": folder / "shape", "model.tokenizer": arguments.model,
                "data.path": folder / "texts.jsonl", "data.format": "text", "data.cache": folder / "cache",
                "log.every": arguments.line,
                "log.tensorboard": "false", "train.global_batch_size": arguments.rows,
                "train.microbatch_size": arguments.microbatch, "memory.policy": arguments.policy,
                "optimizer.type": "adafactor", "optimizer.lr": 1e-5, "optimizer.gradient_dtype": "auto",
                "lr_schedule.type": "constant", "train.epochs": 100, "comm.timeout_s": 60}
    if setup in PIPELINES:
        words += ["--trainer", "pipeline", "--pipeline-schedule", setup]
        if setup in TAKE_EXTRA_WARMUP:
            settings["parallel.extra_warmup"] = arguments.extra_warmup
        if arguments.wire and not arguments.box:
            settings["comm.simulate_link"] = arguments.wire
    if setup == "ddp":
        words += ["--trainer", "ddp"]
    for setting in [f"{key}={value}" for key, value in settings.items()] + arguments.set:
        words += ["--set", setting]
    if setup != "one" and arguments.box:
        words = [ROOT / "scripts/cluster_in_a_box.sh", "mpirun", "-np", arguments.ranks, *words]
    elif setup != "one":
        words = [ROOT / "scripts/mpirun.sh", arguments.ranks, *words]
    return [str(word) for word in words]


def end(started):
    """mpirun ends its ranks on SIGTERM; killed at once it would leave them."""
    started.terminate()
    try:
        started.wait(20)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def give_up(folder, setup, why, errors):
    """Ends the program, with what the run leaves to look at."""
    kept = pathlib.Path(os.environ.get("OUT", "."))
    for file in (*folder.glob(f"{setup}/hang-*.json"), *folder.glob(f"{setup}/train.log")):
        shutil.copy(file, kept / f"{setup}-{file.name}")
    sys.exit(f"bench_ranks: {setup} {why}\n{errors[-3000:]}")


def run(arguments, folder, setup):
    with open(folder / f"{setup}.txt", "w+") as errors:
        started = subprocess.Popen(command(arguments, folder, setup), stdout=subprocess.DEVNULL, stderr=errors)
        try:
            code = started.wait(arguments.limit)
            why = f"ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            why = f"took more than {arguments.limit:g} s"
            end(started)
    if why:
        give_up(folder, setup, why, (folder / f"{setup}.txt").read_text())
    lines = (folder / setup / "metrics.jsonl").read_text().splitlines()
    # A GPU's step is timed by its own launch and by the wait for its numbers, behind the launch of the next: single
    # steps are off, their sum is right. The first steps make connections and choose algorithms; the last has none
    # behind it.
    speeds = [json.loads(line)["tokens_per_second"] for line in lines][1:-1]
    mean = len(speeds) / sum(1 / speed for speed in speeds)
    memory = max(json.loads(lines[-1])["memory_gib"])
    shutil.rmtree(folder / setup)
    return {"setup": setup, "tokens_per_second": mean, "low": min(speeds), "high": max(speeds), "lines": speeds,
            "memory_gib": memory}


def judge(arguments, config, one, result):
    """Adds the ratio to one rank and the share of the bound."""
    result["ratio"] = result["tokens_per_second"] / one
    if result["setup"] not in PIPELINES:
        return result
    microbatches = arguments.rows // arguments.microbatch
    bound = arguments.ranks * one * textbook(result["setup"], arguments.ranks, microbatches)
    if arguments.wire:
        crossings = 2 if result["setup"] in ("zbv", "interleaved_1f1b") else 1
        bound = min(bound, wire_bound(config, arguments.wire) / crossings)
    result["bound"] = bound
    result["share"] = result["tokens_per_second"] / bound
    return result


def show(result):
    share = f"{result['share']:8.3f} of {result['bound']:,.0f}" if "share" in result else ""
    print(f"{result['setup']:18} {result['tokens_per_second']:12,.0f} {result['low']:12,.0f} {result['high']:12,.0f} "
          f"{result['memory_gib']:9.2f} {result['ratio']:7.3f} {share}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda word: pathlib.Path(word).resolve())
    parser.add_argument("--shape", choices=[*SHAPES, "as-it-is"], default="as-it-is")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--setups", nargs="*", choices=[*PIPELINES, "ddp"], default=["1f1b", "zb_h1", "zbv"])
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--microbatch", type=int, default=1)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--policy", default="keep")
    parser.add_argument("--extra-warmup", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--line", type=int, default=4, help="steps of a log line")
    parser.add_argument("--one", type=float, help="positions a second of one rank, measured before")
    parser.add_argument("--set", action="append", default=[], help="for all runs, as fg-train takes it")
    parser.add_argument("--wire", default="")
    parser.add_argument("--box", action="store_true")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(os.environ.get("FG_BIN", ROOT / "build/bin")))
    arguments = parser.parse_args()
    if arguments.box and not arguments.wire:
        parser.error("--box wants --wire, the rate of the box's wire")
    if arguments.steps < 3 * arguments.line or arguments.steps % arguments.line:
        parser.error("--steps must be a multiple of --line, and three times it at least")
    print(f"{'set-up':18} {'tok/s':>12} {'low':>12} {'high':>12} {'GiB':>9} {'ratio':>7} share of the bound")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config = make_inputs(arguments, folder)
        results = []
        one = arguments.one
        for setup in (*([] if one else ["one"]), *arguments.setups):
            result = run(arguments, folder, setup)
            one = one or result["tokens_per_second"]
            results.append(judge(arguments, config, one, result))
            show(results[-1])
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
