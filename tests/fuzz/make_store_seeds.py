#!/usr/bin/env python3
"""Writes small valid inputs for the fuzzers of lib/store: make_store_seeds.py FOLDER, one sub-folder a
fuzzer. Needs torch and safetensors."""

import collections
import json
import pathlib
import sys
import zipfile

import safetensors.torch
import torch

folder = pathlib.Path(sys.argv[1])
targets = ["safetensors_header", "zip_directory", "state_dict_pickle", "weight_index", "torch_bin"]
for target in targets:
    (folder / target).mkdir(parents=True, exist_ok=True)

base = torch.arange(12.0).reshape(3, 4)
states = {
    "dict": {"w": base, "b": torch.ones(2).bfloat16(), "s": torch.tensor(1)},
    "ordered": collections.OrderedDict(w=base, tied=base, view=base.t()),
    "module": torch.nn.Linear(2, 2).state_dict(),
    "parameter": {"p": torch.nn.Parameter(base), "row": base[1, 1:]},
    "empty": {},
}
for name, state in states.items():
    whole = folder / "torch_bin" / f"{name}.bin"
    torch.save(state, whole)
    (folder / "zip_directory" / name).write_bytes(whole.read_bytes())
    pickle = zipfile.ZipFile(whole).read(f"{name}/data.pkl")
    (folder / "state_dict_pickle" / name).write_bytes(pickle)
    plain = {key: value.detach().contiguous().clone() for key, value in state.items()}
    safetensors.torch.save_file(plain, folder / "safetensors_header" / name, {"format": "pt"})
index = {"metadata": {"total_size": 8}, "weight_map": {"a": "model-1.bin", "b": "model-2.bin"}}
(folder / "weight_index" / "index").write_text(json.dumps(index))
