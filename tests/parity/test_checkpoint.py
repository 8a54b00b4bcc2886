"""Checkpoints as others see them: h5py and json alone read what we write, torch reads the bin format, and
the example in the documentation runs as it stands."""

import hashlib
import json
import re
import subprocess
import sys

import pytest

h5py = pytest.importorskip("h5py", reason="[hf] h5py is not installed")
import numpy as np  # noqa: E402


@pytest.fixture
def tool(drivers):
    def run(*words, code=0):
        done = subprocess.run([drivers / "checkpoint_tool", *map(str, words)], capture_output=True, text=True,
                              timeout=60)  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def values(step):
    return np.arange(step, step + 600, dtype=np.float32).reshape(20, 30)


def halves(step):
    return (0x3F80 + (step + np.arange(600)) % 64).astype(np.uint16).reshape(20, 30)


def test_h5py_reads_weights_and_state_exactly(tool, tmp_path):
    tool("save", tmp_path, 7)
    checkpoint = tmp_path / "checkpoints/checkpoint-7"
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    assert manifest["checkpoint"]["step"] == 7 and manifest["checkpoint"]["world"] == 1
    with h5py.File(checkpoint / "model-r00000.h5") as file:
        assert list(file) == ["model.norm.weight"]
        stored = file["model.norm.weight"]
        assert stored.shape == (20, 30)
        as_float = stored.astype(np.float32)[:]
    assert (as_float.view(np.uint32) >> 16 == halves(7)).all()
    assert not (as_float.view(np.uint32) & 0xFFFF).any()
    with h5py.File(checkpoint / "optim-r00000.h5") as file:
        assert (file["model.norm.weight.exp_avg"][:] == values(7)).all()
    trainer = json.loads((checkpoint / "trainer.json").read_text())
    assert trainer == {"format": 1, "step": 7, "tokens": 70}


def test_the_hashes_are_those_of_the_xxhash_package(tool, tmp_path):
    xxhash = pytest.importorskip("xxhash", reason="[hf] xxhash is not installed")
    tool("save", tmp_path, 7)
    checkpoint = tmp_path / "checkpoints/checkpoint-7"
    files = json.loads((checkpoint / "manifest.json").read_text())["files"]
    assert set(files) == {path.name for path in checkpoint.iterdir()} - {"manifest.json"}
    for name, record in files.items():
        data = (checkpoint / name).read_bytes()
        assert record == {"size": len(data), "xxh3_128": xxhash.xxh3_128_hexdigest(data)}


def test_a_checkpoint_and_its_run_load_as_models(tool, tmp_path):
    tool("save", tmp_path, 7)
    for folder in (tmp_path / "checkpoints/checkpoint-7", tmp_path / "checkpoints/latest", tmp_path):
        (line,) = tool("weights", folder).stdout.splitlines()
        tensor = json.loads(line)
        assert (tensor["name"], tensor["dtype"], tensor["shape"]) == ("model.norm.weight", "bfloat16", [20, 30])
        assert bytes.fromhex(tensor["bytes"]) == halves(7).tobytes()


def test_torch_reads_the_bin_format(tool, tmp_path):
    torch = pytest.importorskip("torch", reason="[hf] torch is not installed")
    tool("save", tmp_path, 7, "bin")
    index = json.loads((tmp_path / "checkpoints/checkpoint-7/pytorch_model.bin.index.json").read_text())
    assert index == {"metadata": {"total_size": 1200},
                     "weight_map": {"model.norm.weight": "pytorch_model-00001-of-00001.bin"}}  # fmt: skip
    state = torch.load(tmp_path / "pytorch_model-00001-of-00001.bin", weights_only=True)
    assert (state["model.norm.weight"].view(torch.int16).numpy().view(np.uint16) == halves(7)).all()
    assert (tmp_path / "pytorch_model.bin.index.json").is_symlink()


def test_the_example_in_the_documentation_runs(tool, root, tmp_path):
    tool("save", tmp_path, 7)
    page = (root / "docs/checkpoint_format.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = tmp_path / "read_checkpoint.py"
    script.write_text(example)
    done = subprocess.run([sys.executable, script, tmp_path / "checkpoints/checkpoint-7"], capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "weights model.norm.weight (20, 30) float32",
        "optimizer model.norm.weight.exp_avg (20, 30) float32",
    ]


def test_the_source_is_only_read(tool, tmp_path):
    tool("save-many", tmp_path, 1, 3)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["checkpoint-2", "checkpoint-3",
                                                                                  "latest"]  # fmt: skip

    def state():
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.rglob("*") if path.is_file()}

    before = state()
    assert tool("latest", tmp_path).stdout == "3\n"
    assert tool("choose", tmp_path, "latest").stdout == "3\n"
    tool("verify", tmp_path / "checkpoints/checkpoint-2")
    assert state() == before
    assert "holds checkpoint-3" in tool("choose", tmp_path, "none", code=2).stderr
    assert tool("choose", tmp_path / "other", tmp_path / "checkpoints/checkpoint-2").stdout == "2\n"
    assert "does not exist" in tool("choose", tmp_path / "other", tmp_path / "gone", code=4).stderr
