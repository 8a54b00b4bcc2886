"""Asks the transformers on PYTHONPATH about model and tokenizer folders.

As a program: each line of standard input is one JSON object {"command": ..., "folders": [...], ...},
answered by one line with a JSON list, an answer a folder. `ask` below keeps one such process for each
version of transformers (importing it takes seconds), so that one test sees both.
"""

import atexit
import json
import os
import subprocess
import sys

_servers = {}


def _server(transformers4):
    if transformers4 not in _servers:
        environment = dict(os.environ, TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1")
        if transformers4 is not None:
            environment["PYTHONPATH"] = str(transformers4)
        process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=environment)
        atexit.register(process.kill)
        _servers[transformers4] = process
    return _servers[transformers4]


def ask(request, transformers4=None):
    """`transformers4` is the folder of the older version; without it the installed one answers."""
    process = _server(transformers4)
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BaseException:  # cut off: its answer would be taken for that to the next question
        _servers.pop(transformers4).kill()
        raise
    assert answer, "the process that asks transformers ended; its error is above"
    return json.loads(answer)


def rope_of(model, config):
    rotary = model.model.rotary_emb
    return {
        "inv_freq": rotary.inv_freq.double().tolist(),
        "attention_scaling": float(rotary.attention_scaling),
    }


def describe_config(folder, request):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        names = {
            name: list(value.shape)
            for name, value in AutoModelForCausalLM.from_config(config).state_dict().items()
        }
    layer_types = getattr(config, "layer_types", None)
    answer = {
        key: getattr(config, key)
        for key in (
            "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
            "num_attention_heads", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
            "initializer_range", "tie_word_embeddings", "bos_token_id", "eos_token_id",
            "pad_token_id",
        )
    }
    answer["head_dim"] = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    answer["layer_types"] = layer_types
    answer["sliding_window"] = getattr(config, "sliding_window", None)
    dtype = getattr(config, "dtype", None)
    answer["dtype"] = None if dtype is None else str(dtype).removeprefix("torch.")
    answer["names"] = names
    answer["tied"] = config.tie_word_embeddings
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None or hasattr(config, "rope_theta"):
        parameters = dict(config.__dict__.get("rope_scaling") or {})
        parameters["rope_theta"] = config.rope_theta
        parameters.setdefault("rope_type", parameters.get("type", "default"))
    answer["rope"] = dict(parameters)
    return answer


def logits(folder, request):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    ids = torch.arange(request["length"]).remainder(model.config.vocab_size).unsqueeze(0)
    with torch.no_grad():
        output = model(ids).logits
    return dict(rope_of(model, model.config), logits=output.double().flatten().tolist())


def logits_hash(folder, request):
    """Of the model as it is, which may be too large to give all its logits."""
    import hashlib

    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto")
    with torch.no_grad():
        found = model(torch.tensor([request["ids"]])).logits
    return {"version": transformers.__version__,
            "hash": hashlib.sha256(found.float().numpy().tobytes()).hexdigest()}  # fmt: skip


def make_model(folder, request):
    """Fills a folder that has a config.json with random weights."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).float()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0, 0.3)
    tensors = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    return {}


def describe_tokenizer(folder, request):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    extra = getattr(tokenizer, "additional_special_tokens", None)
    if extra is None:
        extra = tokenizer.extra_special_tokens
    return {
        "length": len(tokenizer),
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "unk": tokenizer.unk_token_id,
        "additional": [str(token) for token in extra],
        "encoded": [tokenizer.encode(text, add_special_tokens=True) for text in request["texts"]],
        "plain": [tokenizer.encode(text, add_special_tokens=False) for text in request["texts"]],
        "skipped": [
            tokenizer.decode(tokenizer.encode(text, add_special_tokens=False), skip_special_tokens=True)
            for text in request["texts"]
        ],
        "chat": None if "messages" not in request or not tokenizer.chat_template
        else tokenizer.apply_chat_template(
            request["messages"], tokenize=False,
            add_generation_prompt=request.get("add_generation_prompt", False),
        ),
        "templates": tokenizer.chat_template,
    }


def eos_of(folder, request):
    from transformers import GenerationConfig

    return GenerationConfig.from_pretrained(folder).to_dict()


COMMANDS = {
    "config": describe_config,
    "logits": logits,
    "logits_hash": logits_hash,
    "make": make_model,
    "tokenizer": describe_tokenizer,
    "generation": eos_of,
}


def main():
    answers_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not belong among the answers
    for line in sys.stdin:
        request = json.loads(line)
        command = COMMANDS[request["command"]]
        answers = []
        for folder in request["folders"]:
            try:
                answers.append(command(folder, request))
            except Exception as error:  # the test decides whether a refusal was right
                answers.append({"error": f"{type(error).__name__}: {error}"})
        answers_to.write(json.dumps(answers) + "\n")
        answers_to.flush()


if __name__ == "__main__":
    main()
