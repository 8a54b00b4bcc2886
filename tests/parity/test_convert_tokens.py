"""What becomes of tokens, eos lists and templates: the documented cases, read back by transformers."""

import json
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from transformers_probe import ask  # noqa: E402

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
CHATML = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
INSTRUCT_TEMPLATE = (
    "{{- bos_token }}{% for message in messages %}{{- '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}")


@pytest.fixture
def chatml(root):
    return ["--add-tokens", root / "configs/add_tokens/chatml.yaml",
            "-t", root / "configs/chat_templates/chatml.jinja"]


@pytest.fixture
def instruct(tiny_models, edit_json, tmp_path):
    """The Llama-3.2 shape dressed as an Instruct model: three eos ids, a template, sampling settings."""
    folder = tmp_path / "instruct"
    shutil.copytree(tiny_models("llama3"), folder)
    eos = [128001, 128008, 128009]
    edit_json(folder / "config.json", eos_token_id=eos)
    edit_json(folder / "generation_config.json", bos_token_id=128000, eos_token_id=eos,
              do_sample=True, temperature=0.6, top_p=0.9)
    edit_json(folder / "tokenizer_config.json", eos_token="<|eot_id|>",
              chat_template=INSTRUCT_TEMPLATE)
    return folder


def read(path):
    return json.loads(path.read_text())


def in_transformers_4(folder, transformers4):
    return ask({"command": "tokenizer", "folders": [str(folder)], "messages": CHAT, "add_generation_prompt": True,
                "texts": ["Hello <|im_start|>x<|im_end|>"]}, transformers4)[0]  # fmt: skip


@pytest.mark.parametrize("name, first, eos", [("llama2", 32000, [2, 32000]),
                                              ("mistral", 32000, [2, 32000]),
                                              ("llama3", 128256, [128001, 128256])])
def test_chatml_on_a_base_model(
        hf, tiny_models, transformers4, convert, chatml, tmp_path, name, first, eos):
    import tokenizers
    import torch

    source = tiny_models(name)
    convert(source, tmp_path / "fg", *chatml, "--verify")
    convert(tmp_path / "fg", tmp_path / "hf", "--verify")

    for folder in (tmp_path / "fg", tmp_path / "hf"):
        assert read(folder / "config.json")["eos_token_id"] == eos
        assert read(folder / "generation_config.json")["eos_token_id"] == eos
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert len(tokenizer) == first + 3
    assert tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>", "<|pad|>"]) == [
        first, first + 1, first + 2]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|pad|>")
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert text == CHATML + "<|im_start|>assistant\n"
    by_four = in_transformers_4(tmp_path / "hf", transformers4)
    assert by_four["chat"] == text and by_four["eos"] == first and by_four["pad"] == first + 2
    by_file = tokenizers.Tokenizer.from_file(str(tmp_path / "hf/tokenizer.json"))
    assert by_four["encoded"][0] == by_file.encode("Hello <|im_start|>x<|im_end|>").ids

    old = hf.AutoModelForCausalLM.from_pretrained(source, dtype="auto").state_dict()
    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype="auto")
    new = model.state_dict()
    assert model.config.vocab_size == first + 3
    tables = ["model.embed_tokens.weight", "lm_head.weight"]
    for table in tables:
        assert new[table].shape[0] == first + 3
        assert torch.equal(new[table][:first], old[table])
        assert torch.equal(new[table][first], old[table][eos[0]]), "copied from the old eos"
        mean = old[table].double().mean(0).to(old[table].dtype)
        assert torch.equal(new[table][first + 1], mean), "the exact mean"
        assert not new[table][first + 2].any(), "pad is zero"
    for other in old.keys() - set(tables):
        assert torch.equal(new[other], old[other]), other


def test_an_instruct_model_keeps_its_eos_list_template_and_parameters(
        hf, instruct, transformers4, convert, tmp_path):
    done = convert(instruct, tmp_path / "fg")
    convert(tmp_path / "fg", tmp_path / "hf")

    assert "[PAD]" in done.stdout + done.stderr
    for folder in (tmp_path / "fg", tmp_path / "hf"):
        generation = read(folder / "generation_config.json")
        assert generation["eos_token_id"] == [128001, 128008, 128009]
        assert (generation["temperature"], generation["top_p"]) == (0.6, 0.9)
        assert read(folder / "config.json")["eos_token_id"] == [128001, 128008, 128009]
        assert read(folder / "config.json")["vocab_size"] == 128257
        assert read(folder / "config.json")["pad_token_id"] == 128256
    assert (tmp_path / "fg/chat_template.jinja").read_text() == INSTRUCT_TEMPLATE
    before = hf.AutoTokenizer.from_pretrained(instruct)
    after = hf.AutoTokenizer.from_pretrained(tmp_path / "hf")
    rendered = after.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert rendered == before.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert after.pad_token == "[PAD]" and after.pad_token_id == 128256
    assert in_transformers_4(tmp_path / "hf", transformers4)["chat"] == rendered


def test_without_default_tokens_the_table_stays(instruct, convert, tmp_path):
    convert(instruct, tmp_path / "fg", "--skip-default-tokens")

    assert read(tmp_path / "fg/config.json")["vocab_size"] == 128256
    assert "[PAD]" not in (tmp_path / "fg/tokenizer.json").read_text()


def test_chatml_on_a_model_with_a_template_is_done_with_a_warning(
        hf, instruct, convert, chatml, tmp_path):
    done = convert(instruct, tmp_path / "fg", *chatml, "--format", "safetensors")

    assert "warning" in done.stderr and "template" in done.stderr
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "fg")
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == CHATML
    assert read(tmp_path / "fg/generation_config.json")["eos_token_id"] == [
        128001, 128008, 128009, 128256]


def test_a_token_that_exists_keeps_its_trained_row(hf, tiny_models, convert, tmp_path):
    import torch

    (tmp_path / "tokens.yaml").write_text(
        "pad_token: {token: \"<unk>\", init: zero}\nregular_tokens: [\"the\"]\n")
    convert(tiny_models("llama2"), tmp_path / "fg", "--format", "safetensors",
            "--add-tokens", tmp_path / "tokens.yaml")

    old = hf.AutoModelForCausalLM.from_pretrained(tiny_models("llama2"), dtype="auto").state_dict()
    new = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "fg", dtype="auto").state_dict()
    for table in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(new[table], old[table])
    assert read(tmp_path / "fg/config.json")["pad_token_id"] == 0


def test_spare_rows_are_used_before_the_table_grows(hf, tiny_models, convert, chatml, tmp_path):
    # The tiny Qwen3 has 128 rows more than its tokenizer has tokens.
    convert(tiny_models("qwen3"), tmp_path / "fg", *chatml, "--format", "safetensors", "--verify")

    assert read(tmp_path / "fg/config.json")["vocab_size"] == 128384
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "fg")
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") == 128256


def test_padding_rounds_the_rows_up_with_zeros(hf, tiny_models, convert, chatml, tmp_path):
    convert(tiny_models("llama2"), tmp_path / "fg", *chatml, "--pad-vocab-to", "64",
            "--format", "safetensors", "--verify")

    model = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "fg", dtype="auto")
    assert model.config.vocab_size == 32064
    assert not model.state_dict()["lm_head.weight"][32003:].any()


def test_a_model_with_only_a_sentencepiece_file_gets_its_tokenizer_json(
        hf, tiny_models, tokenizers_folder, convert, tmp_path):
    import tokenizers

    source = tmp_path / "source"
    shutil.copytree(tiny_models("llama2"), source)
    (source / "tokenizer.json").unlink()
    shutil.copy(tokenizers_folder / "llama2/tokenizer.model", source)
    done = convert(source, tmp_path / "fg", "--skip-default-tokens", "--verify")

    assert "made from tokenizer.model" in done.stdout
    made = tokenizers.Tokenizer.from_file(str(tmp_path / "fg/tokenizer.json"))
    real = tokenizers.Tokenizer.from_file(str(tokenizers_folder / "llama2/tokenizer.json"))
    for text in ("Hello, world", "  two  spaces", "naïve 日本 🎉", "<s>x</s>"):
        assert made.encode(text).ids == real.encode(text).ids


def test_a_tiktoken_file_alone_is_refused_by_name(tiny_models, tokenizers_folder, convert, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(tiny_models("llama3"), source)
    (source / "tokenizer.json").unlink()
    shutil.copy(tokenizers_folder / "llama3/tokenizer.model", source)
    done = convert(source, tmp_path / "fg", code=4)

    assert "tiktoken" in done.stderr
    assert not (tmp_path / "fg").exists()
