"""lib/arch reads config.json as transformers does, 4.57 and 5.17, and writes what both read."""

import copy
import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from transformers_probe import ask  # noqa: E402

TINY = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}
FAMILIES = {
    "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
SCALINGS = {
    "none": None,
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 2.0},
    "linear_old": {"type": "linear", "factor": 2.5},
    "dynamic": {"type": "dynamic", "factor": 3.0},
    "llama3": LLAMA3,
    "yarn": YARN,
    "yarn_length": {"rope_type": "yarn", "factor": 4.0},
    "yarn_all": dict(YARN, beta_fast=16.0, beta_slow=2.0, mscale=0.7, mscale_all_dim=0.9),
    "yarn_factor": dict(YARN, attention_factor=1.5, truncate=False),
}


def family(model_type, **keys):
    return dict(TINY, model_type=model_type, architectures=[FAMILIES[model_type]], **keys)


def older(model_type, scaling, **keys):
    config = family(model_type, rope_theta=5000.0, torch_dtype="float32", **keys)
    if scaling is not None:
        config["rope_scaling"] = copy.deepcopy(scaling)
        if model_type == "mistral":  # without it, 4.57 itself fails for dynamic and yarn
            config["head_dim"] = 8
    return config


def newer(model_type, scaling, **keys):
    rope = dict(copy.deepcopy(scaling or {"rope_type": "default"}), rope_theta=5000.0)
    if "type" in rope:
        rope["rope_type"] = rope.pop("type")
    return family(model_type, rope_parameters=rope, dtype="float32", **keys)


def matrix():
    """name → (config, the versions of transformers that read it)."""
    both, new = (4, 5), (5,)
    cases = {}
    for model_type in FAMILIES:
        bare = {"model_type": model_type, "architectures": [FAMILIES[model_type]]}
        cases[f"{model_type}_silent"] = (bare, both)
        cases[f"{model_type}_tiny"] = (family(model_type, torch_dtype="bfloat16"), both)
        cases[f"{model_type}_new_dtype"] = (family(model_type, dtype="float16"), both)
        cases[f"{model_type}_null_dtype"] = (family(model_type, torch_dtype=None), both)
        cases[f"{model_type}_tied"] = (family(model_type, tie_word_embeddings=True), both)
        cases[f"{model_type}_head_dim"] = (family(model_type, head_dim=16), both)
        cases[f"{model_type}_kv"] = (dict(family(model_type), num_key_value_heads=None),
                                      (4,) if model_type == "mistral" else both)
        cases[f"{model_type}_eos"] = (
            family(model_type, eos_token_id=[5, 3], bos_token_id=None, pad_token_id=7), both)
        cases[f"{model_type}_bias"] = (family(model_type, attention_bias=True), both)
        cases[f"{model_type}_mlp_bias"] = (family(model_type, mlp_bias=True), both)
        cases[f"{model_type}_window"] = (
            family(model_type, sliding_window=8, use_sliding_window=True, max_window_layers=1), both)
        cases[f"{model_type}_window_off"] = (
            family(model_type, sliding_window=8, use_sliding_window=False), both)
        cases[f"{model_type}_no_window"] = (family(model_type, sliding_window=None), both)
        for name, scaling in SCALINGS.items():
            cases[f"{model_type}_old_{name}"] = (older(model_type, scaling), both)
            cases[f"{model_type}_new_{name}"] = (newer(model_type, scaling), new)
    for model_type in ("qwen2", "qwen3"):
        cases[f"{model_type}_layer_types"] = (
            family(model_type, sliding_window=8, use_sliding_window=True,
                   layer_types=["sliding_attention", "full_attention"]), both)
    return cases


def run_driver(drivers, command, path):
    done = subprocess.run([drivers / "arch_driver", command, path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_config(folder, config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    return folder


def expected_rope(theirs):
    """The members that the kind uses, with transformers' defaults."""
    kind = theirs["rope_type"]
    rope = {"rope_type": kind, "rope_theta": theirs["rope_theta"]}
    if kind != "default":
        rope["factor"] = theirs["factor"]
    if kind == "llama3":
        for key in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings"):
            rope[key] = theirs[key]
    if kind == "yarn":
        for key in ("attention_factor", "mscale", "mscale_all_dim"):
            rope[key] = theirs.get(key)
        rope["beta_fast"] = theirs.get("beta_fast") or 32
        rope["beta_slow"] = theirs.get("beta_slow") or 1
        rope["truncate"] = theirs.get("truncate", True)
    return rope


def compare(ours, theirs):
    same = (
        "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
        "rms_norm_eps", "initializer_range", "tie_word_embeddings", "bos_token_id", "pad_token_id",
        "dtype",
    )
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    eos = theirs["eos_token_id"]
    assert ours["eos_token_ids"] == ([] if eos is None else eos if isinstance(eos, list) else [eos])
    rope = expected_rope(theirs["rope"])
    assert {key: ours["rope"][key] for key in rope} == rope
    layers = theirs["num_hidden_layers"]
    if theirs["model_type"] == "llama":
        windowed = [False] * layers
    elif theirs["model_type"] == "mistral":
        windowed = [theirs["sliding_window"] is not None] * layers
    else:
        windowed = [kind == "sliding_attention" for kind in theirs["layer_types"]]
    assert ours["windowed"] == windowed
    assert ours["sliding_window"] == (theirs["sliding_window"] if any(windowed) else None)
    names = theirs["names"]
    layer = "model.layers.0."
    assert ours["qkv_bias"] == (layer + "self_attn.q_proj.bias" in names)
    assert ours["output_bias"] == (layer + "self_attn.o_proj.bias" in names)
    assert ours["mlp_bias"] == (layer + "mlp.up_proj.bias" in names)
    assert ours["qk_norm"] == (layer + "self_attn.q_norm.weight" in names)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("configs")
    return {name: write_config(root / name, config) for name, (config, _) in matrix().items()}


@pytest.mark.parametrize("version", [4, 5])
def test_every_value_is_the_one_transformers_reads(version, written, drivers, transformers4):
    names = [name for name, (_, versions) in matrix().items() if version in versions]
    answers = ask({"command": "config", "folders": [str(written[name]) for name in names]},
                  transformers4 if version == 4 else None)
    for name, theirs in zip(names, answers, strict=True):
        assert "error" not in theirs, (name, theirs)
        ours = run_driver(drivers, "config", written[name] / "config.json")
        try:
            compare(ours, theirs)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_both_versions_read_the_same_rope_and_dtype(written, drivers, transformers4, tmp_path):
    """After with_both_spellings both read one model, and no key of the source has changed."""
    names = [name for name, (_, versions) in matrix().items() if 5 in versions]
    folders = []
    for name in names:
        source = json.loads((written[name] / "config.json").read_text())
        both = run_driver(drivers, "spellings", written[name] / "config.json")
        assert {key: both[key] for key in source} == source
        again = write_config(tmp_path / name, both)
        assert run_driver(drivers, "spellings", again / "config.json") == both
        assert run_driver(drivers, "config", again / "config.json") == run_driver(
            drivers, "config", written[name] / "config.json")
        folders.append(str(again))
    old = ask({"command": "config", "folders": folders}, transformers4)
    new = ask({"command": "config", "folders": folders})
    for name, from_old, from_new in zip(names, old, new, strict=True):
        assert "error" not in from_old and "error" not in from_new, (name, from_old, from_new)
        assert expected_rope_full(from_old) == expected_rope_full(from_new), name
        assert from_old["dtype"] == from_new["dtype"], name


def expected_rope_full(theirs):
    rope = dict(theirs["rope"])
    if rope["rope_type"] == "yarn":
        rope.setdefault("original_max_position_embeddings", theirs["max_position_embeddings"])
    return dict(expected_rope(rope),
                original=rope.get("original_max_position_embeddings")
                if rope["rope_type"] in ("yarn", "llama3") else None)


@pytest.mark.parametrize("spelling", ["old", "new"])
def test_logits_are_the_same_before_and_after(spelling, drivers, transformers4, tmp_path):
    """For every kind of rope, 5.17 on the source, and both versions on the rewritten config."""
    make = older if spelling == "old" else newer
    names = [(model_type, name) for name in SCALINGS
             for model_type in (FAMILIES if name in ("none", "llama3", "yarn_all") else ["llama"])]
    sources, results = [], []
    for model_type, name in names:
        config = make(model_type, SCALINGS[name], tie_word_embeddings=name == "linear")
        sources.append(write_config(tmp_path / f"{model_type}_{name}", config))
    ask({"command": "make", "folders": [str(folder) for folder in sources]})
    for folder in sources:
        both = run_driver(drivers, "spellings", folder / "config.json")
        results.append(write_config(tmp_path / (folder.name + "_both"), both))
        (results[-1] / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    request = {"command": "logits", "length": 48}
    before = ask(dict(request, folders=[str(folder) for folder in sources]))
    after = ask(dict(request, folders=[str(folder) for folder in results]))
    after4 = ask(dict(request, folders=[str(folder) for folder in results]), transformers4)
    for name, first, second, third in zip(names, before, after, after4, strict=True):
        assert "error" not in first, (name, first)
        assert first == second, name
        assert third["inv_freq"] == first["inv_freq"], name
        assert third["attention_scaling"] == first["attention_scaling"], name
        assert third["logits"] == pytest.approx(first["logits"], rel=1e-4, abs=1e-4), name
    if spelling == "old":
        before4 = ask(dict(request, folders=[str(folder) for folder in sources]), transformers4)
        assert before4 == after4


REFUSED = {
    "hidden_act": ({"hidden_act": "gelu"}, "'hidden_act' is \"gelu\"; allowed: silu"),
    "longrope": ({"rope_scaling": {"type": "longrope", "factor": 2.0}}, "longrope"),
    "experts": ({"num_local_experts": 8}, "num_local_experts"),
    "quantized": ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
    "remote_code": ({"auto_map": {"AutoModel": "code.Model"}}, "auto_map"),
    "partial": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    "layers": ({"num_hidden_layers": 10**9}, "1000000000"),
    "head_dim": ({"head_dim": 0}, "head_dim"),
    "vocabulary": ({"vocab_size": -1}, "vocab_size"),
    "two_ropes": ({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 2e4}}, "two different"),
    "classifier": ({"architectures": ["LlamaForSequenceClassification"]}, "LlamaForCausalLM"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_by_name(name, drivers, tmp_path):
    change, message = REFUSED[name]
    folder = write_config(tmp_path / name, dict(family("llama"), **change))
    done = subprocess.run([drivers / "arch_driver", "config", folder / "config.json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert message in done.stderr and done.stderr.count("\n") == 1
