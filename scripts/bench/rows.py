"""Shapes, rows and peers that are measured, and the operations of their training: no torch is needed here.

A row is named SHAPE-ROWSxLENGTH-POLICY, as 7b-4x2048-keep: shape, rows of a step, tokens of a row, memory policy.
fg-bench names its rows the same way, so that results of both can be laid side by side."""

import dataclasses
import difflib
import pathlib
import re


@dataclasses.dataclass(frozen=True)
class Shape:
    family: str  # as model_type in config.json
    vocab: int  # odd on purpose: what a released model has with one token added
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    theta: float
    tied: bool = False
    window: int | None = None

    @property
    def head_dim(self):
        return self.hidden // self.heads


SHAPES = {
    "7b": Shape("llama", 32001, 4096, 11008, 32, 32, 32, 4096, 10000.0),  # Llama-2-7B
    "1b": Shape("llama", 128257, 2048, 8192, 16, 32, 8, 131072, 500000.0, tied=True),  # Llama-3.2-1B
    "mistral-7b": Shape("mistral", 32001, 4096, 14336, 32, 32, 8, 32768, 10000.0, window=4096),  # Mistral-7B-v0.1
    "tiny": Shape("llama", 1001, 128, 256, 2, 4, 2, 512, 10000.0),
}
TABLE = ("7b-4x2048-keep", "7b-4x2048-checkpoint", "7b-1x2048-checkpoint", "1b-4x4096-keep", "1b-2x4096-checkpoint")
LISTED = TABLE + ("mistral-7b-2x4096-keep", "tiny-2x64-keep", "tiny-2x64-checkpoint")
POLICIES = ("keep", "checkpoint")
PATTERN = re.compile(rf"({'|'.join(SHAPES)})-([1-9]\d{{0,5}})x([1-9]\d{{0,6}})-({'|'.join(POLICIES)})")


@dataclasses.dataclass(frozen=True)
class Peer:
    says: str
    liger: str = "none"  # what of Liger is used: "none", "loss" (its fused head and loss), "all" (as its page shows)
    tuned: bool = True  # layers and Adafactor compiled, cuDNN attention; else as PyTorch and Transformers come


PEERS = {
    "transformers": Peer("Transformers: layers, loss and Adafactor compiled, cuDNN attention"),
    "liger-users": Peer("as Liger's users run it: all its kernels, transformers.Adafactor, nothing compiled", "all",
                        tuned=False),
    "liger-best": Peer("layers and Adafactor compiled, cuDNN attention, Liger's fused head and loss", "loss"),
}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    shape: str
    rows: int
    length: int
    policy: str

    @property
    def tokens(self):
        return self.rows * self.length


def chosen_rows(name):
    """The row of that name, or the listed rows of a shape. KeyError with a message for the user if it is neither."""
    if name in SHAPES:
        return [row for listed in LISTED for row in chosen_rows(listed) if row.shape == name]
    parts = PATTERN.fullmatch(name)
    if not parts:
        nearest = difflib.get_close_matches(name, LISTED + tuple(SHAPES), 1, 0)[0]
        raise KeyError(f"'{name}' is no row (the nearest is '{nearest}'); rows are SHAPE-ROWSxLENGTH-POLICY, or a "
                       f"shape for all its rows; --list shows them")
    shape, rows, length, policy = parts.groups()
    return [Row(name, shape, int(rows), int(length), policy)]


def vocabulary_size(shape, vocab):
    """odd: the shape's own; padded: with unused rows up to a multiple of 64, as pad_to_multiple_of=64 makes it."""
    return shape.vocab if vocab == "odd" else -(-shape.vocab // 64) * 64


def matrix_parameters(shape):
    """Elements of the matrices that every token is multiplied with, the head in them; padding rows do not count."""
    attention = shape.hidden * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    mlp = 3 * shape.hidden * shape.intermediate
    return shape.layers * (attention + mlp) + shape.vocab * shape.hidden


def attended_pairs(shape, length):
    """Pairs (token, token it can see) of one row that is one document."""
    window = min(length, shape.window or length)
    return window * (window + 1) // 2 + (length - window) * window


def training_flops(row):
    """Operations that one step needs, by the formula of docs/performance.md; recomputed ones do not count."""
    shape = SHAPES[row.shape]
    width = shape.layers * shape.heads * shape.head_dim
    return 6 * matrix_parameters(shape) * row.tokens + 12 * width * row.rows * attended_pairs(shape, row.length)


def device_peak_flops(name):
    """Dense bfloat16 peak of a device by its name, from the table that our programs use; None if it is not there."""
    table = pathlib.Path(__file__).resolve().parents[2] / "lib/engine/src/flops.cpp"
    for part, teraflops in re.findall(r'Peak\{"([^"]+)", ([\d.]+)\}', table.read_text()):
        if part in name:
            return float(teraflops) * 1e12
    return None
