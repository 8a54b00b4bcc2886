#!/usr/bin/env python3
"""Trains one model's shape with fg-train on one rank and on several, in turns, and prints what the ranks gain.

    scripts/bench_ranks.py MODEL [--shape 7b|1b|as-it-is] [--ranks 2] [--setups 1f1b zb_h1 zbv ddp]
                           [--rows 16] [--microbatch 1] [--length 2048] [--policy keep] [--steps 8] [--wire 1gbit]
                           [--extra-warmup 0] [--limit 900] [--json FILE]

MODEL is a folder with a tokenizer and a config.json; weights are random. A row a run: positions a second (median of
the steps behind the third), the ratio to one rank, and for pipelines the share of the ranks times one rank that a
textbook pipeline would reach (1F1B with a fused backward m / (m + p - 1), else 3m / (3m + p - 1)). With --wire, a
link of that rate is pretended between the ranks (comm.simulate_link), and the share is that of what it carries.
The JSON file is written anew behind each run. Where one fails or takes more than --limit seconds, its train.log and
hang-*.json are copied to the folder that OUT names, else the working one."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench.rows import SHAPES

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHATS = ROOT / "configs/samantha/data/train.jsonl"
BEHIND = 3  # the first steps make connections and choose algorithms
TOKENS_A_COPY = 60_000  # of CHATS at least: its texts have 52,000 to 57,000 in vocabularies of 32k to 128k, turns more
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
    """config.json of the shape, and enough conversations that no step is short."""
    config = json.loads((arguments.model / "config.json").read_text())
    if arguments.shape != "as-it-is":
        config = config_of(SHAPES[arguments.shape])
    (folder / "shape").mkdir()
    (folder / "shape/config.json").write_text(json.dumps(config))
    text = CHATS.read_text()
    copies = 1 + arguments.rows * arguments.length * (arguments.steps + 1) // TOKENS_A_COPY
    (folder / "chats.jsonl").write_text(text * copies)
    return config


def command(arguments, folder, setup):
    words = [arguments.bin / "fg-train", "--devices", arguments.devices, "--save-strategy", "no",
             "--max-steps", arguments.steps, "--seq-len", arguments.length, "--output-dir", folder / setup]
    settings = {"model.init": "random", "model.config": folder / "shape", "model.tokenizer": arguments.model,
                "data.path": folder / "chats.jsonl", "data.cache": folder / "cache", "log.every": 1,
                "log.tensorboard": "false", "train.global_batch_size": arguments.rows,
                "train.microbatch_size": arguments.microbatch, "memory.policy": arguments.policy,
                "optimizer.type": "adafactor", "optimizer.lr": 1e-5, "optimizer.gradient_dtype": "auto",
                "lr_schedule.type": "constant", "train.epochs": 100, "comm.timeout_s": 60}
    if setup in PIPELINES:
        words += ["--trainer", "pipeline", "--pipeline-schedule", setup]
        if setup in TAKE_EXTRA_WARMUP:
            settings["parallel.extra_warmup"] = arguments.extra_warmup
        if arguments.wire:
            settings["comm.simulate_link"] = arguments.wire
    if setup == "ddp":
        words += ["--trainer", "ddp"]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    if setup != "one":
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
    speeds = [json.loads(line)["tokens_per_second"] for line in lines][BEHIND:]
    memory = max(json.loads(lines[-1])["memory_gib"])
    shutil.rmtree(folder / setup)
    return {"setup": setup, "tokens_per_second": statistics.median(speeds), "low": min(speeds),
            "high": max(speeds), "memory_gib": memory}


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
    parser.add_argument("--setups", nargs="+", choices=[*PIPELINES, "ddp"], default=["1f1b", "zb_h1", "zbv"])
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--microbatch", type=int, default=1)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--policy", default="keep")
    parser.add_argument("--extra-warmup", type=int, default=0)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--wire", default="")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(os.environ.get("FG_BIN", ROOT / "build/bin")))
    arguments = parser.parse_args()
    if arguments.steps <= BEHIND:
        parser.error(f"--steps must be above {BEHIND}")
    print(f"{'set-up':18} {'tok/s':>12} {'low':>12} {'high':>12} {'GiB':>9} {'ratio':>7} share of the bound")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config = make_inputs(arguments, folder)
        results = []
        for setup in ("one", *arguments.setups):
            result = run(arguments, folder, setup)
            one = results[0]["tokens_per_second"] if results else result["tokens_per_second"]
            results.append(judge(arguments, config, one, result))
            show(results[-1])
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
