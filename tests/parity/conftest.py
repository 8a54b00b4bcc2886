"""Tiny models of every family, made by transformers with the real tokenizers."""

import json
import pathlib
import shutil
import subprocess

import pytest

CONFIGS = {
    # name: (architecture, tokenizer, configuration)
    "llama2": (
        "LlamaForCausalLM",
        "llama2",
        dict(vocab_size=32000, hidden_size=32, intermediate_size=88, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=4, rms_norm_eps=1e-5, bos_token_id=1,
             eos_token_id=2, max_position_embeddings=128, tie_word_embeddings=False),
    ),
    "llama3": (
        "LlamaForCausalLM",
        "llama3",
        dict(vocab_size=128256, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
             bos_token_id=128000, eos_token_id=128001, max_position_embeddings=256,
             tie_word_embeddings=True,
             rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=32.0,
                                  low_freq_factor=1.0, high_freq_factor=4.0,
                                  original_max_position_embeddings=64)),
    ),
    "mistral": (
        "MistralForCausalLM",
        "mistral",
        dict(vocab_size=32000, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2,
             sliding_window=8, max_position_embeddings=128, tie_word_embeddings=False),
    ),
    "qwen3": (
        "Qwen3ForCausalLM",
        "llama3",
        dict(vocab_size=128384, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, head_dim=24, bos_token_id=128000,
             eos_token_id=128001, max_position_embeddings=128, tie_word_embeddings=True),
    ),
    "qwen2": (
        "Qwen2ForCausalLM",
        "llama3",
        dict(vocab_size=128256, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, bos_token_id=128000,
             eos_token_id=128001, max_position_embeddings=128, tie_word_embeddings=False),
    ),
}


@pytest.fixture(scope="session")
def hf():
    """The transformers module, with torch behind it."""
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        pytest.skip(f"[hf] {error}")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


@pytest.fixture(scope="session")
def make_model(hf, tokenizers_folder, tmp_path_factory):
    """make_model(name, dtype="bfloat16", **changes) -> folder of a tiny model with a real tokenizer."""
    import torch

    def make(name, dtype="bfloat16", max_shard_size="5GB", **changes):
        architecture, tokenizer, settings = CONFIGS[name]
        model_class = getattr(hf, architecture)
        torch.manual_seed(sum(name.encode()))
        config = model_class.config_class(**(settings | changes))
        model = model_class(config).to(getattr(torch, dtype))
        # Fresh models have all norms at one and all biases at zero: give them values to lose.
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        folder = tmp_path_factory.mktemp(f"{name}-{dtype}") / "source"
        model.save_pretrained(folder, max_shard_size=max_shard_size)
        for file in (tokenizers_folder / tokenizer).iterdir():
            if file.name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(file, folder / file.name)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_models(make_model):
    """tiny_models(name) -> the folder of that tiny bfloat16 model, made once. Not to be changed."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = make_model(name)
        return made[name]

    return folder


@pytest.fixture
def convert(programs):
    """convert(source, target, *options, code=0) -> CompletedProcess of fg-convert with that exit code."""

    def run(source, target, *options, code=0):
        done = subprocess.run(
            [programs / "fg-convert", source, target, *options],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def edit_json():
    """edit_json(path, key=value, ...): changes keys of a JSON file; None removes one."""

    def edit(path, **changes):
        path = pathlib.Path(path)
        values = json.loads(path.read_text()) if path.exists() else {}
        for key, value in changes.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        path.write_text(json.dumps(values, indent=2))

    return edit
