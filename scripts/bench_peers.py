#!/usr/bin/env python3
"""Trains the rows of fg-bench with PyTorch and Transformers, with Liger's kernels where they are installed, and
prints their speed and memory: what our own rows, measured on the same machine, are compared with.

    scripts/bench_peers.py [--rows ROW...] [--peer PEER...] [--vocab odd|padded] [--json FILE]

Weights and tokens are random. Needs torch and transformers; a row runs in a process of its own, and one that fails is
told while the others go on (exit 1 at the end). docs/performance.md says what the columns mean."""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from bench.rows import LISTED, PEERS, SHAPES, TABLE, chosen_rows, matrix_parameters

SCRIPTS = pathlib.Path(__file__).resolve().parent
HEADER = (f"{'row':24} {'peer':13} {'vocab':7} {'tok/s':>9} {'low':>9} {'high':>9} {'MFU':>6} {'alloc GiB':>9} "
          f"{'driver GiB':>10} {'ms a step':>9} {'seconds':>8}")


def number(value, width, digits=0, scale=1):
    return f"{'-':>{width}}" if value is None else f"{value * scale:{width},.{digits}f}"


def line_of(result):
    start = f"{result['row']:24} {result['peer']:13} {result['vocab']:7} "
    if "error" in result:
        return start + "failed: " + result["error"]
    low, high = result["spread"]
    return (start + number(result["tokens_per_second"], 9) + " " + number(low, 9) + " " + number(high, 9) + " " +
            number(result["mfu"], 6, 1, 100) + " " + number(result["peak_allocated_gib"], 9, 2) + " " +
            number(result["peak_driver_gib"], 10, 2) + " " +
            number(statistics.median(result["step_seconds"]), 9, 1, 1000) + " " + number(result["seconds"], 8, 1))


def list_all():
    print("rows (those of the table come first; any other of the form SHAPE-ROWSxLENGTH-POLICY can be named too)")
    for name in LISTED:
        (row,) = chosen_rows(name)
        print(f"  {name:24} {row.tokens:6,} tokens a step, {matrix_parameters(SHAPES[row.shape]) / 1e6:8,.1f} M "
              f"parameters in matrices")
    print("peers")
    for name, peer in PEERS.items():
        print(f"  {name:14} {peer.says}{'' if installed(name) else ' (liger_kernel is not installed)'}")


def installed(peer):
    return PEERS[peer].liger == "none" or importlib.util.find_spec("liger_kernel") is not None


def run_row(job, limit):
    """The result of one row in a fresh process; with "error" in it, and no figures, where it failed."""
    search = [str(SCRIPTS)] + ([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search)}
    begin = time.perf_counter()
    # Files, not pipes: the compiler's helpers hold a pipe open after their parent was ended.
    with tempfile.TemporaryDirectory() as place:
        answer, errors = pathlib.Path(place, "result.json"), pathlib.Path(place, "errors")
        try:
            with open(errors, "w") as out:
                done = subprocess.run([sys.executable, "-m", "bench.measure", json.dumps(job), answer], stdout=out,
                                      stderr=out, timeout=limit, env=environment)
            result = json.loads(answer.read_text()) if done.returncode == 0 else {"error": last_line(errors, done)}
        except subprocess.TimeoutExpired:
            result = {"error": f"it took longer than {limit:g} s"}
        if "error" in result and job["verbose"]:
            sys.stderr.write(errors.read_text())
    return {"row": job["row"], "peer": job["peer"], "vocab": job["vocab"]} | result | {
        "seconds": time.perf_counter() - begin}


def last_line(errors, done):
    lines = [line for line in errors.read_text(errors="replace").splitlines() if line.strip()]
    ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
    return lines[-1][:300] if lines and done.returncode > 0 else ended


def whole(least):
    def convert(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least {least}")
        return int(text)
    return convert


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", metavar="ROW", default=list(TABLE),
                        help="rows by name, or a shape for all its listed rows; without it the table's five")
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=["transformers"])
    parser.add_argument("--vocab", choices=("odd", "padded"), default="odd",
                        help="one token more than the released model's (32001, 128257), or padded to a multiple of 64")
    parser.add_argument("--steps", type=whole(1), default=12, help="timed steps (12)")
    parser.add_argument("--warmup", type=whole(0), default=3, help="steps before them, the compiler's in it (3)")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction,
                        help="torch.compile; without it on CUDA only (liger-users never compiles)")
    parser.add_argument("--row-timeout", type=float, default=600, metavar="SECONDS", help="the most for one row (600)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there, after each row")
    parser.add_argument("--verbose", action="store_true", help="show all that a failing row printed")
    parser.add_argument("--list", action="store_true", help="print rows and peers and end")
    chosen = parser.parse_args()
    try:
        chosen.rows = list(dict.fromkeys(row for name in chosen.rows for row in chosen_rows(name)))
    except KeyError as unknown:
        parser.error(unknown.args[0])
    missing = [peer for peer in chosen.peer if not installed(peer)]
    if missing and not chosen.list:
        parser.error(f"--peer {missing[0]}: liger_kernel is not installed (pip install liger-kernel)")
    return chosen


def main():
    chosen = options()
    if chosen.list:
        return list_all()
    results = []
    print(HEADER, flush=True)
    for row in chosen.rows:
        for peer in dict.fromkeys(chosen.peer):
            job = {"row": row.name, "peer": peer, "vocab": chosen.vocab, "steps": chosen.steps,
                   "warmup": chosen.warmup, "compile": chosen.compile, "verbose": chosen.verbose}
            results.append(run_row(job, chosen.row_timeout))
            print(line_of(results[-1]), flush=True)
            if chosen.json:
                chosen.json.write_text(json.dumps({"results": results}, indent=1) + "\n")
    return int(any("error" in result for result in results))


if __name__ == "__main__":
    sys.exit(main())
