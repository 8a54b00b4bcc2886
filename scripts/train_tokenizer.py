#!/usr/bin/env python3
"""Trains a small byte-level BPE tokenizer on the bundled texts: tokenizer.json and tokenizer_config.json.

    scripts/train_tokenizer.py OUT [--vocab 2048] [--data configs/samantha/data]

Reads train.jsonl and base_text.txt of the data folder, never the held-out text. Text is split as the
tokenizers of Llama 3 do, then into bytes, so every text comes back as it was. <s> and </s> are numbers 0
and 1; an encoded text begins with <s>. The same texts give the same bytes. Needs tokenizers alone.
"""

import argparse
import json
import pathlib
import sys

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

DATA = pathlib.Path(__file__).resolve().parent.parent / "configs" / "samantha" / "data"
SMALLEST = 2 + 256  # the two special tokens and one token a byte

# Contractions, words with the space before them, up to three digits, marks, line ends, spaces.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def texts(data):
    for line in (data / "train.jsonl").read_text(encoding="utf-8").splitlines():
        for turn in json.loads(line)["conversations"]:
            yield turn["value"]
    yield from (data / "base_text.txt").read_text(encoding="utf-8").split("\n\n")


def train(data, vocab):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(data), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
    )
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--data", type=pathlib.Path, default=DATA)
    options = parser.parse_args()
    if options.vocab < SMALLEST:
        parser.error(f"--vocab {options.vocab} is less than the {SMALLEST} that bytes and <s>, </s> need")
    try:
        tokenizer = train(options.data, options.vocab)
        options.out.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(options.out / "tokenizer.json"))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"train_tokenizer: {error}")
    config = {
        "add_bos_token": True,
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": 2048,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    text = json.dumps(config, indent=2) + "\n"
    (options.out / "tokenizer_config.json").write_text(text, encoding="utf-8", newline="\n")
    print(f"{options.out}: {tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
