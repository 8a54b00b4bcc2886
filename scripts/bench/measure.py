"""Trains one row with one peer in this process: python -m bench.measure JOB RESULT, both JSON, RESULT a file to write.

bench_peers.py starts it, a fresh process a row, so that a row's peak of memory is its own."""

import contextlib
import importlib.metadata
import json
import math
import platform
import statistics
import sys
import time

import torch
import transformers
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.adafactor import HookedAdafactor
from bench.rows import PEERS, SHAPES, chosen_rows, device_peak_flops, training_flops, vocabulary_size

RATE = 1e-5
GIB = 2**30
IGNORED = -100


def make_model(row, vocab, device, dtype):
    shape = SHAPES[row.shape]
    config = {"llama": transformers.LlamaConfig, "mistral": transformers.MistralConfig}[shape.family](
        vocab_size=vocabulary_size(shape, vocab), hidden_size=shape.hidden, intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context, rope_theta=shape.theta, tie_word_embeddings=shape.tied, use_cache=False)
    if shape.family == "mistral":
        # A window as long as the row changes nothing, but would cost a mask and with it the fast attention.
        config.sliding_window = shape.window if row.length > shape.window else None
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    if row.policy == "checkpoint":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def hook_transformers_adafactor(model):
    """One optimizer a parameter, stepped when its gradient is whole, so that not all gradients are held at once."""
    optimizers = {parameter: transformers.Adafactor([parameter], lr=RATE, scale_parameter=False, relative_step=False,
                                                    warmup_init=False) for parameter in model.parameters()}

    def step(parameter):
        optimizers[parameter].step()
        parameter.grad = None

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)


def head_loss(hidden, weight, labels):
    return functional.cross_entropy(functional.linear(hidden, weight).float(), labels)


def loss_over_hidden_states(model, head):
    """Loss of a batch: the model's layers, then head(hidden, weight, labels)."""

    def loss_of(tokens):
        hidden = model.model(input_ids=tokens).last_hidden_state
        labels = functional.pad(tokens[:, 1:], (0, 1), value=IGNORED)
        return head(hidden.flatten(0, 1), model.lm_head.weight, labels.flatten())

    return loss_of


def make_loss(model, peer, compiled):
    if peer.liger == "all":
        from liger_kernel.transformers import _apply_liger_kernel_to_instance

        _apply_liger_kernel_to_instance(model=model)
        return lambda tokens: model(input_ids=tokens, labels=tokens).loss
    if peer.liger == "loss":
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        fused = LigerFusedLinearCrossEntropyLoss()
        return loss_over_hidden_states(model, lambda hidden, weight, labels: fused(weight, hidden, labels))
    return loss_over_hidden_states(model, torch.compile(head_loss, dynamic=False) if compiled else head_loss)


def attention_choice(peer, device):
    if not peer.tuned or device != "cuda":
        return contextlib.nullcontext()
    return sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION], set_priority=True)


def make_step(model, peer, device, compiled):
    """A function of a batch of tokens that trains one step and returns its loss."""
    loss_of = make_loss(model, peer, compiled)
    if peer.tuned and compiled:
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    optimizer = HookedAdafactor(model.parameters(), RATE, compiled) if peer.tuned else None
    if not optimizer:
        hook_transformers_adafactor(model)

    def step(tokens):
        if optimizer:
            optimizer.begin_step()
        with attention_choice(peer, device):
            loss = loss_of(tokens)
            loss.backward()
        return loss.detach()

    return step


def timed_steps(step, batches, device):
    """Seconds of each step, from an idle device to an idle device; the last loss; most memory by the driver."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    seconds, used = [], 0
    for batch in batches:
        wait()
        begin = time.perf_counter()
        loss = step(batch)
        wait()
        seconds.append(time.perf_counter() - begin)
        if device == "cuda":
            free, total = torch.cuda.mem_get_info()
            used = max(used, total - free)
    return seconds, float(loss), used


def versions():
    found = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}
    for name in ("triton", "liger-kernel"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    if torch.cuda.is_available():
        found |= {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}
    return found


def measure(job):
    (row,), peer = chosen_rows(job["row"]), PEERS[job["peer"]]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if peer.liger != "none" and device == "cpu":
        raise RuntimeError("Liger's kernels need a CUDA device")
    compiled = device == "cuda" if job["compile"] is None else job["compile"]
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    begin = time.perf_counter()
    torch.manual_seed(0)
    step = make_step(make_model(row, job["vocab"], device, dtype), peer, device, compiled)
    # Fresh tokens each step: a batch that is repeated is soon learnt by heart, which changes the arithmetic's data.
    batches = torch.randint(0, SHAPES[row.shape].vocab, (job["warmup"] + job["steps"], row.rows, row.length),
                            device=device)
    if job["warmup"]:
        timed_steps(step, batches[:job["warmup"]], device)
    ready = time.perf_counter() - begin
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds, loss, used = timed_steps(step, batches[job["warmup"]:], device)
    if not math.isfinite(loss):
        raise RuntimeError(f"the loss is {loss}")
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return result(row, job, seconds, name) | {
        "peak_allocated_gib": torch.cuda.max_memory_allocated() / GIB if device == "cuda" else None,
        "peak_driver_gib": used / GIB if device == "cuda" else None, "loss": loss, "ready_seconds": ready,
        "dtype": str(dtype).removeprefix("torch."), "compiled": compiled and peer.tuned, "versions": versions()}


def result(row, job, seconds, device):
    peak, median = device_peak_flops(device), statistics.median(seconds)
    return {"row": row.name, "shape": row.shape, "rows": row.rows, "length": row.length, "policy": row.policy,
            "vocab": job["vocab"], "vocab_size": vocabulary_size(SHAPES[row.shape], job["vocab"]),
            "optimizer": "adafactor", "peer": job["peer"], "device": device,
            "tokens_per_second": row.tokens / median,
            "spread": [row.tokens / max(seconds), row.tokens / min(seconds)],
            "mfu": training_flops(row) / median / peak if peak else None, "step_seconds": seconds}


if __name__ == "__main__":
    with open(sys.argv[2], "w") as out:
        json.dump(measure(json.loads(sys.argv[1])), out)
