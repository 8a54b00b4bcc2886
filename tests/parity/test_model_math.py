"""Logits, losses and every gradient against transformers, on tiny models made from a configuration
alone. Documents that we run packed, transformers runs one by one."""

import json
import subprocess

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file  # noqa: E402

SHAPE = dict(vocab_size=211, hidden_size=64, intermediate_size=112, num_hidden_layers=3,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
             initializer_range=0.1, rms_norm_eps=1e-5)
ROPES = {
    "linear": dict(rope_type="linear", factor=2.0),
    "dynamic": dict(rope_type="dynamic", factor=3.0),
    "llama3": dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32),
    "yarn": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16),
    "yarn_mscale": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                        mscale=0.8, mscale_all_dim=0.5, beta_fast=16, beta_slow=2, truncate=False),
    "yarn_factor": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                        attention_factor=1.5),
}
# The dynamic kind grows for the documents longer than max_position_embeddings.
LENGTHS = [1, 40, 13, 75, 0, 2, 30]


def config_of(kind):
    family, _, variant = kind.partition("-")
    if family == "llama":
        rope = {"rope_parameters": dict(ROPES[variant], rope_theta=500.0)} if variant in ROPES else {}
        extra = dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True) \
            if variant == "biased" else {}
        return transformers.LlamaConfig(**SHAPE, **rope, **extra)
    if family == "mistral":
        return transformers.MistralConfig(**SHAPE, sliding_window=11, head_dim=24)
    if family == "qwen2":
        return transformers.Qwen2Config(**SHAPE, use_sliding_window=variant == "windowed",
                                        sliding_window=9, max_window_layers=1)
    return transformers.Qwen3Config(**SHAPE, head_dim=24, tie_word_embeddings=variant == "tied")


KINDS = ["llama", "llama-biased", "mistral", "qwen2", "qwen2-windowed", "qwen3", "qwen3-tied"]
KINDS += [f"llama-{rope}" for rope in ROPES]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """tiny_models(kind, dtype) -> folder; weights random, biases and norms not at their start."""
    made = {}

    def make(kind, dtype=torch.float32):
        if (kind, dtype) not in made:
            torch.manual_seed(1)
            model = transformers.AutoModelForCausalLM.from_config(
                config_of(kind), attn_implementation="eager", dtype=torch.float32)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.dim() == 1:
                        parameter.add_(torch.randn_like(parameter) * 0.3)
            folder = tmp_path_factory.mktemp(kind)
            model.to(dtype).save_pretrained(folder)
            made[kind, dtype] = folder
        return made[kind, dtype]

    return make


def batch(seed=2):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, SHAPE["vocab_size"], (sum(LENGTHS),), generator=generator)
    targets = torch.full_like(ids, -1)
    first = 0
    for length in LENGTHS:
        for row in range(first, first + length - 1):
            if row % 5:
                targets[row] = ids[row + 1]
        first += length
    return ids, targets


def reference(folder, dtype, seed=2, attention="eager"):
    """losses, logits and gradients of transformers, document by document, all in `dtype`."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation=attention)
    ids, targets = batch(seed)
    scale = 1 / int((targets >= 0).sum())
    losses, logits, first = [], [], 0
    for length in LENGTHS:
        own = slice(first, first + length)
        first += length
        if length == 0:
            continue
        # transformers remembers the longest sequence of the dynamic kind; ours depends on nothing.
        model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
        logits.append(model(ids[own][None]).logits[0])
        wanted = targets[own]
        losses.append(torch.nn.functional.cross_entropy(
            logits[-1][wanted >= 0].float(), wanted[wanted >= 0], reduction="none"))
    # One backward pass over all documents, as a batch of them would have it.
    (torch.cat(losses).sum() * scale).backward()
    gradients = {f"grad.{name}": value.grad for name, value in model.named_parameters()}
    return {"losses": torch.cat(losses).detach(), "logits": torch.cat(logits).detach(), **gradients}


def run(drivers, tmp_path, task, folder, job):
    (tmp_path / "job.json").write_text(json.dumps(job))
    out = tmp_path / "out.safetensors"
    out.unlink(missing_ok=True)
    done = subprocess.run([drivers / "model_driver", task, folder, tmp_path / "job.json", out],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return load_file(out)


def ours(drivers, tmp_path, folder, dtype, policy="keep", seed=2):
    ids, targets = batch(seed)
    job = dict(dtype=dtype, policy=policy, scale=1 / int((targets >= 0).sum()),
               ids=ids.tolist(), lengths=LENGTHS, targets=targets.tolist())
    return run(drivers, tmp_path, "train", folder, job)


def distance(left, right):
    return (left.double() - right.double()).norm().item()


@pytest.mark.parametrize("kind", KINDS)
def test_fp32_equals_transformers(drivers, tiny_models, tmp_path, kind):
    folder = tiny_models(kind)
    expected = reference(folder, torch.float32)
    for policy in ("keep", "checkpoint"):
        result = ours(drivers, tmp_path, folder, "float32", policy)
        assert result.keys() == expected.keys()
        for name, value in expected.items():
            assert result[name].shape == value.shape, name
            assert distance(result[name], value) <= 1e-5 * value.double().norm().item(), name


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "qwen3-tied"])
def test_bf16_is_no_further_from_fp32_than_pytorch(drivers, tiny_models, tmp_path, kind):
    folder = tiny_models(kind, torch.bfloat16)
    own, their = {}, {}
    # The squared errors of some batches together: those of a bias of 32 elements alone are a lottery.
    for seed in range(2):
        exact = reference(folder, torch.float32, seed)
        # Their default attention: like ours it forms its gradient from an output of 16 bits, which
        # the gradient of a key bias, a sum of what nearly cancels, shows.
        theirs = reference(folder, torch.bfloat16, seed, "sdpa")
        result = ours(drivers, tmp_path, folder, "bfloat16", seed=seed)
        for name, value in exact.items():
            own[name] = own.get(name, 0) + distance(result[name], value) ** 2
            their[name] = their.get(name, 0) + distance(theirs[name], value) ** 2
    for name in own:
        assert own[name] ** 0.5 <= 1.25 * their[name] ** 0.5, name


@pytest.mark.parametrize("kind", ["llama"] + [f"llama-{rope}" for rope in ROPES])
@pytest.mark.parametrize("length", [1, 64, 65, 200])
def test_inverse_frequencies_have_the_bits_of_transformers(drivers, tiny_models, tmp_path, kind,
                                                           length):
    folder = tiny_models(kind)
    out = tmp_path / "out.safetensors"
    subprocess.run([drivers / "model_driver", "rope", folder, str(length), out], check=True)
    config = transformers.AutoConfig.from_pretrained(folder)
    rotary = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
    rotary(torch.zeros(1), torch.arange(length)[None])
    result = load_file(out)
    assert torch.equal(result["inverse"], rotary.inv_freq)
    assert result["factor"].item() == pytest.approx(rotary.attention_scaling, rel=1e-15)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2-windowed", "qwen3-tied"])
def test_greedy_continuation_equals_transformers(drivers, tiny_models, tmp_path, kind):
    folder = tiny_models(kind)
    ids, _ = batch()
    prompt = ids[1:20]
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager")
    expected = model.generate(prompt[None], max_new_tokens=30, do_sample=False, eos_token_id=None,
                              pad_token_id=0)[0][len(prompt):]
    job = dict(dtype="float32", ids=prompt.tolist(), count=30)
    assert run(drivers, tmp_path, "generate", folder, job)["ids"].tolist() == expected.tolist()
