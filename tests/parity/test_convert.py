"""fg-convert there and back, against transformers: the same tensors to the last bit, the same logits."""

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from transformers_probe import ask  # noqa: E402

NAMES = ["llama2", "llama3", "mistral", "qwen3", "qwen2"]
IDS = [1, 5, 9, 200, 31, 77, 3, 12, 500, 4, 1000, 8]


def load(hf, folder):
    return hf.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def logits_of(model):
    import torch

    with torch.no_grad():
        return model(torch.tensor([IDS])).logits


def assert_same_model(hf, one, other):
    import torch

    first, second = load(hf, one), load(hf, other)
    mine, theirs = first.state_dict(), second.state_dict()
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert tensor.dtype == theirs[name].dtype, name
        assert torch.equal(tensor, theirs[name]), name
    assert torch.equal(logits_of(first), logits_of(second))


# Every model by fg's own format; the others, which know no model, by two each, one of them tied.
@pytest.mark.parametrize("middle, last, name", [
    *(("hdf5", "safetensors", name) for name in NAMES),
    ("bin", "bin", "llama2"), ("bin", "bin", "qwen3"),
    ("safetensors", "bin", "llama3"), ("safetensors", "bin", "qwen2")])
def test_there_and_back_gives_the_same_model(hf, tiny_models, convert, tmp_path, middle, last, name):
    source = tiny_models(name)
    convert(source, tmp_path / "fg", "--skip-default-tokens", "--format", middle, "--verify")
    convert(tmp_path / "fg", tmp_path / "hf", "--format", last, "--verify")

    assert_same_model(hf, source, tmp_path / "hf")
    assert "fg" in json.loads((tmp_path / "fg/config.json").read_text())
    assert "fg" not in json.loads((tmp_path / "hf/config.json").read_text())


@pytest.mark.parametrize("middle", ["hdf5", "bin", "safetensors"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_other_dtypes_survive_every_format(hf, make_model, convert, tmp_path, dtype, middle):
    source = make_model("llama2", dtype=dtype)
    convert(source, tmp_path / "fg", "--skip-default-tokens", "--format", middle)
    convert(tmp_path / "fg", tmp_path / "hf")

    assert_same_model(hf, source, tmp_path / "hf")


@pytest.mark.parametrize("wanted", ["float32", "float16"])
def test_a_changed_dtype_is_what_torch_makes_of_it(hf, tiny_models, convert, tmp_path, wanted):
    import torch

    source = tiny_models("qwen2")
    convert(source, tmp_path / "fg", "--dtype", wanted, "--skip-default-tokens", "--verify")
    convert(tmp_path / "fg", tmp_path / "hf")

    converted = load(hf, tmp_path / "hf").state_dict()
    for name, tensor in load(hf, source).state_dict().items():
        assert converted[name].dtype == getattr(torch, wanted)
        assert torch.equal(converted[name], tensor.to(getattr(torch, wanted))), name
    config = json.loads((tmp_path / "hf/config.json").read_text())
    assert config["dtype"] == wanted and config["torch_dtype"] == wanted


def test_float32_to_bfloat16_rounds_as_torch_does(hf, make_model, convert, tmp_path):
    import torch

    source = make_model("llama2", dtype="float32")
    convert(source, tmp_path / "fg", "--dtype", "bfloat16", "--skip-default-tokens")
    convert(tmp_path / "fg", tmp_path / "hf")

    converted = load(hf, tmp_path / "hf").state_dict()
    for name, tensor in load(hf, source).state_dict().items():
        assert torch.equal(converted[name], tensor.to(torch.bfloat16)), name


@pytest.mark.parametrize("name", NAMES)
def test_both_series_of_transformers_load_both_ends(
        hf, tiny_models, transformers4, convert, tmp_path, name):
    import hashlib

    convert(tiny_models(name), tmp_path / "fg", "--skip-default-tokens", "--format", "safetensors")
    convert(tmp_path / "fg", tmp_path / "hf")

    by_four = ask({"command": "logits_hash", "folders": [str(tmp_path / "fg"), str(tmp_path / "hf")], "ids": IDS},
                  transformers4)
    assert all(answer.get("version", "").startswith("4.") for answer in by_four), by_four
    by_five = hashlib.sha256(
        logits_of(load(hf, tmp_path / "hf")).float().numpy().tobytes()).hexdigest()
    # The two series order a few element-wise operations differently; what must agree is that each
    # reads the same model from both folders.
    assert by_four[0]["hash"] == by_four[1]["hash"]
    assert by_five == hashlib.sha256(
        logits_of(load(hf, tiny_models(name))).float().numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("spelling", ["old", "new"])
def test_either_spelling_of_a_source_is_read(
        hf, tiny_models, convert, tmp_path, edit_json, spelling):
    import shutil

    source = tmp_path / "source"
    shutil.copytree(tiny_models("llama3"), source)
    config = json.loads((source / "config.json").read_text())
    rope = config.get("rope_parameters")
    if spelling == "old":
        theta = rope.pop("rope_theta")
        edit_json(source / "config.json", rope_parameters=None, dtype=None, rope_scaling=rope,
                  rope_theta=theta, torch_dtype="bfloat16")
    before = json.loads((source / "config.json").read_text())
    convert(source, tmp_path / "fg", "--skip-default-tokens")
    convert(tmp_path / "fg", tmp_path / "hf")

    after = json.loads((tmp_path / "hf/config.json").read_text())
    assert {key: after[key] for key in before} == before, "source keys are kept as they are"
    assert after["rope_theta"] == after["rope_parameters"]["rope_theta"] == 500000.0
    assert after["dtype"] == after["torch_dtype"] == "bfloat16"
    assert_same_model(hf, tiny_models("llama3"), tmp_path / "hf")


def test_a_bin_source_with_shards_is_read(hf, tiny_models, convert, tmp_path):
    import shutil

    import torch

    source = tmp_path / "source"
    shutil.copytree(tiny_models("mistral"), source)
    (source / "model.safetensors").unlink()
    state = load(hf, tiny_models("mistral")).state_dict()
    names = list(state)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    weight_map = {}
    for number, half in enumerate(halves, 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: state[name] for name in half}, source / file)
        weight_map |= {name: file for name in half}
    total = sum(tensor.nbytes for tensor in state.values())
    (source / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
    convert(source, tmp_path / "fg", "--skip-default-tokens")
    convert(tmp_path / "fg", tmp_path / "hf")

    assert_same_model(hf, tiny_models("mistral"), tmp_path / "hf")


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("form", ["hdf5", "bin", "safetensors"])
def test_the_bytes_of_many_ranks_are_those_of_one(
        tiny_models, convert, programs, mpirun, tmp_path, ranks, form):
    options = ["--max-shard-size", "900KB", "--format", form, "--verify"]
    convert(tiny_models("llama2"), tmp_path / "one", *options)
    done = mpirun(ranks, [programs / "fg-convert", tiny_models("llama2"), tmp_path / "many", *options])
    assert done.returncode == 0, done.stdout + done.stderr

    one = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    many = {path.name: path.read_bytes() for path in (tmp_path / "many").iterdir()}
    assert one.keys() == many.keys() and len(one) > 6
    for name in one:
        assert one[name] == many[name], name


def test_a_head_that_is_stored_though_tied_is_left_out_if_it_is_the_embedding(
        hf, tiny_models, convert, tmp_path):
    import shutil

    import safetensors.torch

    source = tmp_path / "source"
    shutil.copytree(tiny_models("llama3"), source)
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    safetensors.torch.save_file(tensors, source / "model.safetensors", {"format": "pt"})
    done = convert(source, tmp_path / "fg", "--skip-default-tokens", "--format", "safetensors")
    assert "lm_head.weight is left out" in done.stdout
    assert_same_model(hf, tiny_models("llama3"), tmp_path / "fg")

    tensors["lm_head.weight"][5, 5] += 1
    safetensors.torch.save_file(tensors, source / "model.safetensors", {"format": "pt"})
    done = convert(source, tmp_path / "other", code=4)
    assert "tie_word_embeddings" in done.stderr
    assert not (tmp_path / "other").exists()
