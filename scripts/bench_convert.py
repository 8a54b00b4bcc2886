#!/usr/bin/env python3
"""Measures fg-convert on a model of about 2 GB in 400 MB shards: memory, and speed against
`cp -r` and `sync -f` of the same bytes, in turn.

    scripts/bench_convert.py [FOLDER] [--runs 3] [--check]

FOLDER (build/bench-convert) needs 7 GB. --check exits with 1 if the limits of docs/benchmarks are not
kept: RssAnon + RssShmem under 1.2 x the largest tensor + 512 MiB, at least 60 % of the copy's speed.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HIDDEN, LAYERS, VOCAB = 2048, 16, 32000


def own_memory(pid):
    """RssAnon + RssShmem in bytes: what a process holds that the page cache cannot take back."""
    kibibytes = 0
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            kibibytes += int(line.split()[1])
    return kibibytes * 1024


def watch(process, peak):
    while process.poll() is None:
        try:
            peak[0] = max(peak[0], own_memory(process.pid))
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.002)


def timed_convert(source, target, options):
    begin = time.monotonic()
    process = subprocess.Popen(
        [ROOT / "build/bin/fg-convert", source, target, *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process, peak))
    watcher.start()
    message = process.stderr.read()
    watcher.join()
    if process.wait() != 0:
        sys.exit(message.decode())
    return time.monotonic() - begin, peak[0]


def timed_copy(source, target):
    begin = time.monotonic()
    subprocess.run(["cp", "-r", source, target], check=True)
    subprocess.run(["sync", "-f", target], check=True)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "build/bench-convert")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()

    model = options.folder / "model"
    if not model.exists():
        options.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [ROOT / "scripts/make_model.py", model, "--hidden", str(HIDDEN), "--layers", str(LAYERS),
             "--heads", "16", "--kv-heads", "16", "--vocab", str(VOCAB),
             "--max-shard-size", "400000000"], check=True)
    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    largest = VOCAB * HIDDEN * 2
    limit = 1.2 * largest + 512 * 2**20
    print(f"{weights / 1e9:.2f} GB in {len(list(model.glob('*.safetensors')))} shards, largest tensor "
          f"{largest / 2**20:.0f} MiB, memory limit {limit / 2**20:.0f} MiB")

    cases = {
        "hdf5": ["--max-shard-size", "400MB"],
        "safetensors": ["--format", "safetensors", "--max-shard-size", "400MB"],
        "bin": ["--format", "bin", "--max-shard-size", "400MB"],
        "hdf5, float32": ["--dtype", "float32", "--max-shard-size", "800MB"],
    }
    kept = True
    print(f"{'case':16} {'peak MiB':>9} {'seconds':>24} {'copy + sync, seconds':>24} {'speed ratio':>12}")
    for name, arguments in cases.items():
        times, copies, peak = [], [], 0
        for _ in range(options.runs):
            for target in ("copied", "converted"):
                shutil.rmtree(options.folder / target, ignore_errors=True)
            subprocess.run(["sync", "-f", options.folder], check=True)
            copies.append(timed_copy(model, options.folder / "copied"))
            shutil.rmtree(options.folder / "copied")
            subprocess.run(["sync", "-f", options.folder], check=True)
            seconds, memory = timed_convert(model, options.folder / "converted", arguments)
            times.append(seconds)
            peak = max(peak, memory)
        # float32 writes twice the bytes that the copy does.
        written = 2 if "float32" in name else 1
        ratio = written * statistics.median(copies) / statistics.median(times)
        kept = kept and peak <= limit and ratio >= 0.6
        print(f"{name:16} {peak / 2**20:9.0f} {' '.join(f'{t:.2f}' for t in times):>24} "
              f"{' '.join(f'{t:.2f}' for t in copies):>24} {ratio:12.2f}")
    for target in ("copied", "converted"):
        shutil.rmtree(options.folder / target, ignore_errors=True)
    if options.check and not kept:
        sys.exit("a promise was not kept")


if __name__ == "__main__":
    main()
