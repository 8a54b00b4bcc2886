#!/usr/bin/env python3
"""Times our tokenizer and PyPI's `tokenizers` on the same texts, turn by turn in one run.

    scripts/bench_tokenizer.py FOLDER... [--texts FILE... | --megabytes N] [--repeats N] [--bench build/tests/tokenizer_bench]

FOLDER: one with a tokenizer.json, or tokenizer.json.xz. Texts: by default Python's own library.
Prints tokens a second on one thread and on all cores, and the ratios: by the clock, and of processor time, which
other work on the machine disturbs less."""

import argparse
import json
import lzma
import os
import pathlib
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time


def default_texts(limit=8_000_000):
    library, texts, size = pathlib.Path(sysconfig.get_paths()["stdlib"]), [], 0
    for path in sorted(library.glob("**/*.py")):
        if "site-packages" not in path.parts and size < limit:
            texts.append(path.read_bytes().decode(errors="replace"))
            size += len(texts[-1])
    return texts


def ours(bench, folder, texts, threads, repeats):
    packed = b"".join(struct.pack("<I", len(t)) + t for t in (text.encode() for text in texts))
    done = subprocess.run([bench, folder, str(threads), str(repeats)], input=packed, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return json.loads(done.stdout)


THEIRS = """
import json, sys, time, tokenizers
folder, repeats = sys.argv[1], int(sys.argv[2])
begin = time.perf_counter()
made = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
load = time.perf_counter() - begin
texts = json.load(sys.stdin)
best = best_cpu = 1e30
for round in range(repeats + 1):
    begin, begin_cpu = time.perf_counter(), time.process_time()
    encodings = made.encode_batch_fast(texts)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    if round:
        best, best_cpu = min(best, seconds), min(best_cpu, cpu)
print(json.dumps({"load_seconds": load, "seconds": best, "cpu_seconds": best_cpu, "tokens": sum(len(e) for e in encodings)}))
"""


def theirs(folder, texts, threads, repeats):
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads),
                                "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
    done = subprocess.run([sys.executable, "-c", THEIRS, folder, str(repeats)], input=json.dumps(texts).encode(),
                          capture_output=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return json.loads(done.stdout)


def unpacked(folder, target):
    packed = folder / "tokenizer.json.xz"
    if not packed.exists():
        return str(folder)
    place = pathlib.Path(target) / folder.name
    place.mkdir()
    (place / "tokenizer.json").write_bytes(lzma.decompress(packed.read_bytes()))
    return str(place)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folders", nargs="+", type=pathlib.Path)
    options.add_argument("--texts", nargs="*", type=pathlib.Path)
    options.add_argument("--megabytes", type=float, default=8, help="of Python's own library (8)")
    options.add_argument("--repeats", type=int, default=3)
    root = pathlib.Path(__file__).resolve().parent.parent
    options.add_argument("--bench", type=pathlib.Path, default=root / "build" / "tests" / "tokenizer_bench")
    chosen = options.parse_args()
    texts = [p.read_bytes().decode(errors="replace") for p in chosen.texts] if chosen.texts \
        else default_texts(chosen.megabytes * 1e6)
    size, cores = sum(len(t.encode()) for t in texts), os.cpu_count()
    print(f"{len(texts)} texts, {size / 1e6:.1f} MB, {cores} cores, best of {chosen.repeats}, "
          f"{time.strftime('%Y-%m-%d %H:%M')}")
    print(f"{'tokenizer':10} {'threads':>7} {'ours Mtok/s':>12} {'theirs Mtok/s':>14} {'ratio':>6} "
          f"{'CPU ratio':>10} {'ours scaling':>13} {'load ours':>10} {'load theirs':>12}")
    with tempfile.TemporaryDirectory() as target:
        for folder in chosen.folders:
            place, single = unpacked(folder, target), None
            for threads in sorted({1, cores}):
                a = ours(chosen.bench, place, texts, threads, chosen.repeats)
                b = theirs(place, texts, threads, chosen.repeats)
                if a["tokens"] != b["tokens"]:
                    sys.exit(f"{folder}: {a['tokens']} tokens against {b['tokens']}")
                single = single or a["seconds"]
                print(f"{folder.name:10} {threads:7} {a['tokens'] / a['seconds'] / 1e6:12.2f} "
                      f"{b['tokens'] / b['seconds'] / 1e6:14.2f} {b['seconds'] / a['seconds']:6.1f} "
                      f"{b['cpu_seconds'] / a['cpu_seconds']:10.1f} {single / a['seconds']:13.2f} {a['load_seconds']:9.2f}s {b['load_seconds']:11.2f}s")


if __name__ == "__main__":
    main()
