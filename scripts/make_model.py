#!/usr/bin/env python3
"""Makes a Llama-shaped Hugging Face model folder with random weights and a small byte-level tokenizer
trained on this project's own pages. For the quick start, tests of size and speed, and trying things out.

    scripts/make_model.py OUT [--hidden 64] [--layers 2] [--heads 4] [--kv-heads 2] [--vocab 512]
                              [--dtype bfloat16] [--max-shard-size BYTES] [--tied] [--seed 0]
                              [--initializer-range 0.02] [--family llama|mistral|qwen2] [--window 8]
                              [--tokenizer FOLDER]     one that is there, instead of training one

Needs numpy and tokenizers, not torch. The same arguments give the same bytes.
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tensor_shapes(options):
    """Name and shape of every tensor, in the order transformers writes them."""
    hidden, inner = options.hidden, options.hidden * 11 // 4
    head = hidden // options.heads
    shapes = {"model.embed_tokens.weight": (options.vocab, hidden)}
    for layer in range(options.layers):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "self_attn.q_proj.weight": (hidden, hidden),
            prefix + "self_attn.k_proj.weight": (options.kv_heads * head, hidden),
            prefix + "self_attn.v_proj.weight": (options.kv_heads * head, hidden),
            prefix + "self_attn.o_proj.weight": (hidden, hidden),
            prefix + "mlp.gate_proj.weight": (inner, hidden),
            prefix + "mlp.up_proj.weight": (inner, hidden),
            prefix + "mlp.down_proj.weight": (hidden, inner),
            prefix + "input_layernorm.weight": (hidden,),
            prefix + "post_attention_layernorm.weight": (hidden,),
        }
        if options.family == "qwen2":
            shapes |= {prefix + "self_attn.q_proj.bias": (hidden,),
                       prefix + "self_attn.k_proj.bias": (options.kv_heads * head,),
                       prefix + "self_attn.v_proj.bias": (options.kv_heads * head,)}
    shapes["model.norm.weight"] = (hidden,)
    if not options.tied:
        shapes["lm_head.weight"] = (options.vocab, hidden)
    return shapes


def tensor_bytes(name, shape, dtype, random, deviation):
    """Values as a fresh model has them: normal with this deviation, norms all one."""
    if "norm" in name:
        values = numpy.ones(shape, numpy.float32)
    else:
        values = random.standard_normal(shape, numpy.float32) * numpy.float32(deviation)
    if dtype == "float32":
        return values.tobytes()
    if dtype == "float16":
        return values.astype(numpy.float16).tobytes()
    bits = values.view(numpy.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
    return (rounded >> 16).astype(numpy.uint16).tobytes()


def plan_shards(shapes, item_size, max_bytes):
    shards, filled = [[]], 0
    for name, shape in shapes.items():
        size = int(numpy.prod(shape)) * item_size
        if shards[-1] and filled + size > max_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def write_weights(folder, options):
    random = numpy.random.default_rng(options.seed)
    shapes = tensor_shapes(options)
    item_size = 4 if options.dtype == "float32" else 2
    shards = plan_shards(shapes, item_size, options.max_shard_size)
    weight_map, total = {}, 0
    for number, names in enumerate(shards, 1):
        file = "model.safetensors"
        if len(shards) > 1:
            file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, begin = {"__metadata__": {"format": "pt"}}, 0
        for name in names:
            end = begin + int(numpy.prod(shapes[name])) * item_size
            kind = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}[options.dtype]
            header[name] = {"dtype": kind, "shape": shapes[name], "data_offsets": [begin, end]}
            weight_map[name] = file
            total += end - begin
            begin = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                out.write(tensor_bytes(name, shapes[name], options.dtype, random,
                                       options.initializer_range))
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    return total


def write_tokenizer(folder, vocab_size):
    texts = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/**/*.md"))]
    texts.append((ROOT / "README.md").read_text(encoding="utf-8"))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_configs(folder, options):
    family = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2"}[options.family]
    config = {
        "architectures": [family + "ForCausalLM"],
        "attention_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "hidden_act": "silu",
        "hidden_size": options.hidden,
        "initializer_range": options.initializer_range,
        "intermediate_size": options.hidden * 11 // 4,
        "max_position_embeddings": 2048,
        "mlp_bias": False,
        "model_type": options.family,
        "num_attention_heads": options.heads,
        "num_hidden_layers": options.layers,
        "num_key_value_heads": options.kv_heads,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": options.tied,
        "torch_dtype": options.dtype,
        "vocab_size": options.vocab,
    }
    if options.window:
        config["sliding_window"] = options.window
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"bos_token_id": 0, "do_sample": True, "eos_token_id": 1, "temperature": 0.7}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    for name, default in [("hidden", 64), ("layers", 2), ("heads", 4), ("kv-heads", 2), ("vocab", 512)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--max-shard-size", type=int, default=5 * 10**9)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--initializer-range", type=float, default=0.02)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--family", default="llama", choices=["llama", "mistral", "qwen2"])
    parser.add_argument("--window", type=int, help="of attention; mistral's")
    options = parser.parse_args()
    if options.out.exists():
        sys.exit(f"make_model: {options.out} exists already")
    options.out.mkdir(parents=True)
    if options.tokenizer:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(options.tokenizer / name, options.out / name)
    else:
        write_tokenizer(options.out, min(options.vocab, 4096))
    write_configs(options.out, options)
    total = write_weights(options.out, options)
    print(f"{options.out}: {total:,} bytes of weights")


if __name__ == "__main__":
    main()
