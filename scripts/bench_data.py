#!/usr/bin/env python3
"""Times lib/data from the files to packed rows: reading, rendering, tokenising, packing.

    scripts/bench_data.py FOLDER... [--repeat N] [--data FILE] [--seq-len N] [--program build/bin/fg-data]

FOLDER: a model folder with tokenizer.json, or tokenizer.json.xz. The conversations (by default the bundled ones)
are repeated N times (40), each with a number of its own in it, so that no two are alike. Prints tokens a second of
processor time of one core, all costs in it (loading the tokenizer, writing the cache with fsync, packing an
epoch): the figure that other work on the machine disturbs least. Then the same by the clock, and the clock's time
of a second run, which finds the cache."""

import argparse
import json
import lzma
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command):
    begin, begin_cpu = time.perf_counter(), cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout, time.perf_counter() - begin, cpu_seconds() - begin_cpu


def unpacked(folder, target):
    target.mkdir()
    for file in folder.iterdir():
        if file.suffix == ".xz":
            (target / file.stem).write_bytes(lzma.decompress(file.read_bytes()))
        elif file.is_file():
            shutil.copy(file, target / file.name)
    return target


def repeated(source, target, count):
    records = [json.loads(line) for line in source.read_text().splitlines()]
    with open(target, "w") as out:
        for number in range(count):
            for record in records:
                turns = [dict(turn, value=f"{turn['value']} ({number})") for turn in record["conversations"]]
                out.write(json.dumps({"conversations": turns}) + "\n")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folders", nargs="+", type=pathlib.Path)
    options.add_argument("--data", type=pathlib.Path, default=root / "configs/samantha/data/train.jsonl")
    options.add_argument("--repeat", type=int, default=40)
    options.add_argument("--seq-len", default="2048")
    options.add_argument("--program", type=pathlib.Path, default=root / "build/bin/fg-data")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        repeated(chosen.data, place / "data.jsonl", chosen.repeat)
        print(f"{(place / 'data.jsonl').stat().st_size / 1e6:.1f} MB of JSON, seq_len {chosen.seq_len}, "
              f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'tokenizer':10} {'train_on':10} {'tokens':>10} {'tok/s a core':>13} {'tok/s clock':>12} "
              f"{'found again':>12} {'filled':>8}")
        for folder in chosen.folders:
            model = unpacked(folder, place / folder.name)
            for train_on in ("all", "assistant"):
                command = [chosen.program, "pack", "-M", model, "--data", place / "data.jsonl", "--seq-len",
                           chosen.seq_len, "--train-on", train_on, "--cache", place / "cache", "--log-level", "error"]
                text, seconds, cpu = run(command)
                again = run(command)[1]
                tokens = int(text.split(" tokens,")[0].split()[-1].replace(",", ""))
                filled = text.split(" filled")[0].split(", ")[-1]
                print(f"{folder.name:10} {train_on:10} {tokens:10,} {tokens / cpu:13,.0f} {tokens / seconds:12,.0f} "
                      f"{again:11.2f}s {filled:>8}")


if __name__ == "__main__":
    main()
