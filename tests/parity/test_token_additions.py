"""Tokens that lib/arch adds are there for transformers 4.57 and 5.17 and for tokenizers alike."""

import json
import pathlib
import shutil
import subprocess
import sys

import jinja2
import jinja2.ext
import pytest
import tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from transformers_probe import ask  # noqa: E402

CHATML = {
    "eos_token": "<|im_end|>",
    "special_tokens": ["<|im_start|>"],
    "pad_token": {"token": "<|pad|>", "init": "zero", "if_missing": True},
}
MODELS = {
    "llama2": {"model_type": "llama", "vocab_size": 32000, "bos_token_id": 1, "eos_token_id": 2},
    "llama3": {"model_type": "llama", "vocab_size": 128256, "bos_token_id": 128000,
               "eos_token_id": 128001},
    "mistral": {"model_type": "mistral", "vocab_size": 32000, "bos_token_id": 1, "eos_token_id": 2},
}
TEXTS = [
    "Hello, what is your name?", "  two  spaces\n\nand lines", "naïve 中文 🦙 e\u0301", "", " ", "\t",
    "def f(x):\n    return x ** 2  # ünï", "1234567890", "<s>text</s>", "<unk>",
    "<|begin_of_text|>a<|end_of_text|>",
]
CHATML_TEXT = "<|im_start|>user\nHi!<|im_end|>\n"
TEMPLATE = pathlib.Path(__file__).parents[2] / "configs/chat_templates/chatml.jinja"


def make_source(root, tokenizers_folder, name, config=None, generation=None, **tokenizer_config):
    source = root / "source"
    shutil.copytree(tokenizers_folder / name, source)
    (source / "config.json").write_text(json.dumps(dict(config or MODELS[name])))
    if generation is not None:
        (source / "generation_config.json").write_text(json.dumps(generation))
    path = source / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | tokenizer_config))
    return source


def plan(drivers, source, request, code=0):
    out = source.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    request_path = source.parent / "request.json"
    request_path.write_text(json.dumps(request))
    done = subprocess.run([drivers / "arch_driver", "tokens", source, out, request_path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return (json.loads(done.stdout), out) if code == 0 else (done.stderr, out)


def read(path):
    return json.loads(path.read_text())


def probe(folder, transformers4, texts=(), **more):
    request = {"command": "tokenizer", "folders": [str(folder)], "texts": list(texts), **more}
    answers = [ask(request, transformers4)[0], ask(request)[0]]
    for answer in answers:
        assert "error" not in answer, answer
    return answers


@pytest.mark.parametrize("name", MODELS)
def test_chatml(name, tokenizers_folder, drivers, transformers4, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, name)
    request = dict(CHATML, chat_template=TEMPLATE.read_text())
    made, out = plan(drivers, source, request)
    rows = MODELS[name]["vocab_size"]
    old_eos = MODELS[name]["eos_token_id"]
    assert made["rows"] == [
        {"id": rows, "token": "<|im_end|>", "init": "copy", "source": old_eos},
        {"id": rows + 1, "token": "<|im_start|>", "init": "mean", "source": 0},
        {"id": rows + 2, "token": "<|pad|>", "init": "zero", "source": 0},
    ]
    assert (made["old_rows"], made["new_rows"], made["mean_rows"]) == (rows, rows + 3, rows)
    assert (made["bos"], made["eos"], made["pad"]) == (
        MODELS[name]["bos_token_id"], rows, rows + 2)
    for file in ("config.json", "generation_config.json"):
        assert read(out / file)["eos_token_id"] == [old_eos, rows]
        assert read(out / file)["pad_token_id"] == rows + 2
        assert read(out / file)["bos_token_id"] == MODELS[name]["bos_token_id"]
    assert read(out / "config.json")["vocab_size"] == rows + 3

    before = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    after = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    assert after.get_vocab_size() == before.get_vocab_size() + 3
    for row in made["rows"]:
        assert after.token_to_id(row["token"]) == row["id"]
        assert after.encode(row["token"], add_special_tokens=False).ids == [row["id"]]
        assert after.encode(f"a{row['token']}b", add_special_tokens=False).ids.count(row["id"]) == 1
        assert after.decode([row["id"]]) == ""
    for text in TEXTS:
        assert after.encode(text).ids == before.encode(text).ids

    # transformers rebuilds some tokenizers, so it is compared with itself without the additions. (4.57
    # cannot read the source's own tokenizer_config.json, 5.17 can.)
    kept = out.rename(tmp_path / "chatml")
    _, plain = plan(drivers, source, {"skip_default_tokens": True})
    baselines = [probe(plain, transformers4, TEXTS)[0],
                 ask({"command": "tokenizer", "folders": [str(source)], "texts": TEXTS})[0]]
    out = kept
    messages = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]
    for baseline, answer in zip(baselines, probe(out, transformers4, TEXTS + [CHATML_TEXT], messages=messages,
                                               add_generation_prompt=True)):
        assert answer["length"] == rows + 3
        assert (answer["bos"], answer["eos"], answer["pad"]) == (made["bos"], rows, rows + 2)
        assert "<|im_start|>" in answer["additional"]
        assert answer["plain"][-1][0] == rows + 1 and rows in answer["plain"][-1]
        assert "im_" not in answer["skipped"][-1]
        assert answer["encoded"][:-1] == baseline["encoded"]
        assert answer["plain"][:-1] == baseline["plain"]
        assert answer["chat"] == (CHATML_TEXT + "<|im_start|>assistant\nHello.<|im_end|>\n"
                                  "<|im_start|>assistant\n")


def test_all_but_the_edited_members_keep_their_bytes(tokenizers_folder, drivers, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "llama3")
    _, out = plan(drivers, source, CHATML)
    before = (source / "tokenizer.json").read_text(encoding="utf-8")
    after = (out / "tokenizer.json").read_text(encoding="utf-8")
    end = before.index('\n  ],\n  "normalizer"')
    assert after.startswith(before[:end])
    assert after.endswith(before[end:])
    assert len(after) - len(before) < 1000


def test_default_pad(tokenizers_folder, drivers, transformers4, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "llama3")
    made, out = plan(drivers, source, {})
    assert made["rows"] == [{"id": 128256, "token": "[PAD]", "init": "zero", "source": 0}]
    assert any("[PAD]" in note for note in made["notes"])
    assert read(out / "config.json")["eos_token_id"] == 128001
    for answer in probe(out, transformers4, ["[PAD]x"]):
        assert (answer["pad"], answer["length"]) == (128256, 128257)
        assert answer["plain"][0][0] == 128256


def test_skipping_the_default_pad_changes_nothing(tokenizers_folder, drivers, transformers4, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "mistral")
    made, out = plan(drivers, source, {"skip_default_tokens": True})
    assert made["rows"] == [] and made["new_rows"] == 32000 and made["pad"] is None
    assert (out / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    for answer in probe(out, transformers4, TEXTS):
        assert answer["length"] == 32000 and answer["pad"] is None


def test_instruct_model_keeps_its_eos_list_and_parameters(tokenizers_folder, drivers, tmp_path):
    eos = [128001, 128008, 128009]
    generation = {"bos_token_id": 128000, "do_sample": True, "eos_token_id": eos,
                  "temperature": 0.6, "top_p": 0.9, "transformers_version": "4.45.0.dev0"}
    source = make_source(
        tmp_path, tokenizers_folder, "llama3", dict(MODELS["llama3"], eos_token_id=eos), generation,
        eos_token="<|eot_id|>", chat_template="{{ bos_token }}")
    made, out = plan(drivers, source, {})
    after = read(out / "generation_config.json")
    assert after == generation | {"pad_token_id": 128256}
    assert list(after)[:6] == list(generation)
    assert read(out / "config.json")["eos_token_id"] == eos
    assert made["eos"] == 128009
    assert (out / "chat_template.jinja").read_text() == "{{ bos_token }}"
    _, out = plan(drivers, source, {"skip_default_tokens": True})
    assert read(out / "generation_config.json") == generation


def test_existing_tokens_keep_their_rows(tokenizers_folder, drivers, transformers4, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "llama3")
    made, out = plan(drivers, source, {
        "eos_token": {"token": "<|eot_id|>", "init": "zero"},
        "pad_token": {"token": "<|finetune_right_pad_id|>", "init": "zero"},
        "special_tokens": ["<|start_header_id|>", "<|brand_new|>"],
        "regular_tokens": ["Hello", "qwxyzzy_word"],
    })
    existing = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    new = [token for token in ("<|finetune_right_pad_id|>",) if existing.token_to_id(token) is None]
    assert [row["token"] for row in made["rows"]] == ["<|brand_new|>", "qwxyzzy_word"] + new
    assert made["eos"] == 128009
    for answer in probe(out, transformers4, ["a qwxyzzy_word b", "<|brand_new|>", "Hello"]):
        assert answer["eos"] == 128009 and answer["pad"] == made["pad"]
        assert {"<|start_header_id|>", "<|brand_new|>"} <= set(answer["additional"])
        assert 128257 in answer["plain"][0] and answer["skipped"][0] == "a qwxyzzy_word b"
        assert answer["plain"][1] == [128256] and answer["plain"][2] == [9906]


def test_a_plain_piece_can_become_special(tokenizers_folder, drivers, transformers4, tmp_path):
    """A token of the model's own table: the same id, now matched whole, no new row."""
    source = make_source(tmp_path, tokenizers_folder, "mistral")
    piece = "▁Hello"
    existing = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json")).token_to_id(piece)
    made, out = plan(drivers, source, {"special_tokens": [piece], "skip_default_tokens": True})
    assert made["rows"] == [] and made["new_rows"] == 32000
    for answer in probe(out, transformers4, [piece]):
        assert existing in answer["plain"][0] and piece in answer["additional"]


def test_old_layout_of_a_tokenizer(tokenizers_folder, drivers, transformers4, tmp_path):
    """added_tokens_decoder, special_tokens_map.json and added_tokens.json of transformers 4.x."""
    source = make_source(tmp_path, tokenizers_folder, "llama2")
    path = source / "tokenizer_config.json"
    config = read(path)
    del config["extra_special_tokens"]
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    config["added_tokens_decoder"] = {
        str(number): {"content": token, **flags, "special": True}
        for number, token in enumerate(["<unk>", "<s>", "</s>"])
    }
    config["add_eos_token"] = True
    text = json.dumps(config, indent=2)
    # A number that no JSON library writes back as it was.
    text = text.replace('"model_max_length": 4096', '"model_max_length": 1000000000000000019884624838656')
    path.write_text(text)
    (source / "special_tokens_map.json").write_text(json.dumps(
        {"bos_token": {"content": "<s>", **flags}, "eos_token": {"content": "</s>", **flags}}))
    (source / "added_tokens.json").write_text("{}")
    made, out = plan(drivers, source, CHATML)
    assert "1000000000000000019884624838656" in (out / "tokenizer_config.json").read_text()
    decoder = read(out / "tokenizer_config.json")["added_tokens_decoder"]
    assert {number: token["content"] for number, token in decoder.items()} == {
        "0": "<unk>", "1": "<s>", "2": "</s>", "32000": "<|im_end|>", "32001": "<|im_start|>",
        "32002": "<|pad|>"}
    assert read(out / "added_tokens.json") == {
        "<|im_end|>": 32000, "<|im_start|>": 32001, "<|pad|>": 32002}
    assert read(out / "special_tokens_map.json")["eos_token"] == "<|im_end|>"
    assert read(out / "special_tokens_map.json")["additional_special_tokens"] == ["<|im_start|>"]
    for answer in probe(out, transformers4, ["Hello"]):
        assert (answer["eos"], answer["pad"], answer["length"]) == (32000, 32002, 32003)
        assert "<|im_start|>" in answer["additional"]


@pytest.mark.parametrize("name", ["llama2", "llama3"])
def test_an_appended_eos_moves_with_the_role(name, tokenizers_folder, drivers, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, name)
    path = source / "tokenizer.json"
    tokenizer = read(path)
    processor = tokenizer["post_processor"]
    template = processor["processors"][1] if name == "llama3" else processor
    eos = "</s>" if name == "llama2" else "<|end_of_text|>"
    old_id = MODELS[name]["eos_token_id"]
    for key in ("single", "pair"):
        pieces = []
        for piece in template[key]:
            pieces.append(piece)
            if "Sequence" in piece:
                pieces.append({"SpecialToken": {"id": eos, "type_id": piece["Sequence"]["type_id"]}})
        template[key] = pieces
    template["special_tokens"][eos] = {"id": eos, "ids": [old_id], "tokens": [eos]}
    path.write_text(json.dumps(tokenizer, indent=2, ensure_ascii=False))
    made, out = plan(drivers, source, CHATML)
    before = tokenizers.Tokenizer.from_file(str(path))
    after = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    for pair in (("Hello",), ("Hello", "you")):
        ids = before.encode(*pair).ids
        assert old_id in ids
        assert after.encode(*pair).ids == [made["eos"] if i == old_id else i for i in ids]


def test_spare_rows_are_used_before_the_table_grows(tokenizers_folder, drivers, transformers4, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "mistral", dict(MODELS["mistral"], vocab_size=32064))
    made, out = plan(drivers, source, CHATML)
    assert made["new_rows"] == 32064 and made["mean_rows"] == 32000
    assert [row["id"] for row in made["rows"]] == [32000, 32001, 32002]
    assert any("spare row" in note for note in made["notes"])
    for answer in probe(out, transformers4):
        assert answer["length"] == 32003
    for pad_to, rows in ((128, 32128), (1, 32064), (40000, 40000)):
        made, _ = plan(drivers, source, dict(CHATML, pad_vocab_to=pad_to))
        assert made["new_rows"] == rows
    message, _ = plan(drivers, source, dict(CHATML, pad_vocab_to=32000), code=2)
    assert "32064" in message and "--pad-vocab-to 32000" in message


def test_a_tokenizer_larger_than_the_table_is_refused(tokenizers_folder, drivers, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "llama3", MODELS["llama2"])
    message, _ = plan(drivers, source, {}, code=4)
    assert "128256" in message and "32000" in message and message.count("\n") == 1


def test_named_templates_survive(tokenizers_folder, drivers, transformers4, tmp_path):
    named = [{"name": "default", "template": "D{{ messages[0]['content'] }}"},
             {"name": "tool_use", "template": "T"}]
    source = make_source(tmp_path, tokenizers_folder, "llama3", chat_template=named)
    made, out = plan(drivers, source, {})
    assert (out / "additional_chat_templates/tool_use.jinja").read_text() == "T"
    for answer in probe(out, transformers4):
        assert answer["templates"] == {"default": named[0]["template"], "tool_use": "T"}
    made, out = plan(drivers, source, {"chat_template": "new"})
    assert "chat_template" not in read(out / "tokenizer_config.json")
    assert (out / "chat_template.jinja").read_text() == "new"
    assert len(made["warnings"]) == 1 and "template of its own" in made["warnings"][0]


@pytest.mark.parametrize("request_change, message", [
    ({"eos_token": ""}, "eos_token: the token is empty"),
    ({"special_tokens": ["x", "x"]}, "'x' is listed twice"),
    ({"special_tokens": ["x"], "regular_tokens": ["x"]}, "'x' is listed twice"),
    ({"eos_token": "x", "regular_tokens": ["x"]}, "regular_tokens too"),
    ({"eos_token": {"token": "x", "init": "copy:99999"}}, "copy:99999"),
    ({"eos_token": {"token": "x", "init": "copy:nope"}}, "'nope'"),
])
def test_impossible_additions_are_refused(request_change, message, tokenizers_folder, drivers, tmp_path):
    source = make_source(tmp_path, tokenizers_folder, "mistral")
    error, out = plan(drivers, source, request_change, code=2)
    assert message in error and error.count("\n") == 1 and not out.exists()


def test_chatml_template():
    """Byte for byte, and the generation span is the assistant's content and its end marker."""
    text = TEMPLATE.read_text()
    spans = []

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_span"), [], [], body).set_lineno(line)

        @staticmethod
        def _span(caller):
            spans.append(caller())
            return spans[-1]

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation])
    template = environment.from_string(text)
    messages = [{"role": "system", "content": " Be brief. \n"}, {"role": "user", "content": "Hi  "},
                {"role": "assistant", "content": " Hello.\n"}, {"role": "user", "content": ""}]
    expected = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    assert template.render(messages=messages, add_generation_prompt=False) == expected
    assert spans == [" Hello.\n<|im_end|>"]
    assert template.render(messages=messages, add_generation_prompt=True) == (
        expected + "<|im_start|>assistant\n")
    assert template.render(messages=[], add_generation_prompt=False) == ""
