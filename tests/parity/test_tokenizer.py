"""Our tokenizer against PyPI's tokenizers: ids, offsets and decoding, on real and made tokenizers."""

import functools
import json
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import random_text
from tokenizer_client import Driver, expect_equal, expect_same_decoding

tokenizers = pytest.importorskip("tokenizers", reason="[hf] no tokenizers in the virtual environment")

REAL = ["llama2", "llama3", "mistral"]


@pytest.fixture(scope="module", params=REAL)
def real(request, tokenizers_folder, drivers, tmp_path_factory):
    folder = tokenizers_folder / request.param
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Driver(drivers, folder, tmp_path_factory.mktemp("driver")), reference, folder


@functools.lru_cache
def real_text(limit=3_000_000):
    """A few megabytes of what lies on every machine: Python's own library, and licences."""
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    texts, size = [], 0
    for path in sorted(library.glob("**/*.py")):
        if size > limit:
            break
        if "site-packages" in path.parts:
            continue
        texts.append(path.read_bytes().decode(errors="replace"))
        size += len(texts[-1])
    for path in sorted(pathlib.Path("/usr/share/common-licenses").glob("*")):
        texts.append(path.read_bytes().decode(errors="replace"))
    return texts


def added_contents(reference):
    return [token.content for token in reference.get_added_tokens_decoder().values()]


def around_added_tokens(added):
    texts = []
    for token in added:
        texts += [token, token + token, token + " " + token, "a" + token, token + "b", "a " + token + " b",
                  "  " + token + "\n\n", "x" + token + token + "y", token[:-1], token[1:] + token, token[:2] + token]
    return texts


def check(driver, reference, texts):
    ids = expect_equal(driver, reference, texts)
    expect_equal(driver, reference, texts[::5], special=False, offsets=False)
    expect_same_decoding(driver, reference, ids[::4])


def test_real_tokenizers_agree_on_random_text(real):
    driver, reference, _ = real
    texts = random_text.texts(100_000 // len(REAL) + 1, seed=1, added=added_contents(reference)[:20])
    check(driver, reference, texts)


def test_real_tokenizers_agree_on_every_code_point(real):
    driver, reference, folder = real
    if folder.name == "mistral":
        return  # the same dress as llama2
    texts = random_text.every_code_point()
    expect_equal(driver, reference, texts, offsets=False)
    check(driver, reference, texts[::7])


def test_guarded_text_yields_no_special_token(real):
    driver, reference, _ = real
    added = added_contents(reference)[:30]
    texts = random_text.texts(3000, seed=6, added=added) + around_added_tokens(added)
    whole = [[(0, len(text.encode()))] for text in texts]
    special = {i for i, token in reference.get_added_tokens_decoder().items() if token.special}
    ids, _ = driver.encode(texts, special=False, offsets=False, guards=whole)
    reference.encode_special_tokens = True
    try:
        wanted = [e.ids for e in reference.encode_batch_fast(texts, add_special_tokens=False)]
    finally:
        reference.encode_special_tokens = False
    assert ids == wanted
    assert not any(special & set(found) for found in ids)
    assert driver.encode(texts, offsets=False, guards=[[(0, 0)]] * len(texts)) == driver.encode(texts, offsets=False)


def test_guards_beside_special_tokens_change_nothing(real):
    driver, reference, _ = real
    token = added_contents(reference)[1]
    texts, guards = [], []
    for left, right in zip(random_text.texts(2000, seed=7), random_text.texts(2000, seed=8)):
        begin, end = len(left.encode()), len((left + token).encode())
        texts.append(left + token + right)
        guards.append([(0, begin), (end, len(texts[-1].encode()))])
    plain = [not any(t in part for t in added_contents(reference)[:3] for part in text.split(token, 1)) for text in texts]
    found, unguarded = driver.encode(texts, guards=guards), driver.encode(texts)
    for i, is_plain in enumerate(plain):
        if is_plain:
            assert (found[0][i], found[1][i]) == (unguarded[0][i], unguarded[1][i]), texts[i]


def test_real_tokenizers_agree_around_every_added_token(real):
    driver, reference, _ = real
    check(driver, reference, around_added_tokens(added_contents(reference)))


def test_real_tokenizers_agree_on_real_text(real):
    driver, reference, _ = real
    texts = real_text()
    ids = expect_equal(driver, reference, texts, offsets=False)
    assert driver.encode(texts, offsets=False, threads=2)[0] == ids
    expect_equal(driver, reference, texts[:40])
    expect_same_decoding(driver, reference, ids[:40])


def test_vocabulary_is_the_references(real):
    driver, reference, _ = real
    found = driver.vocabulary()
    special = {t.content for t in reference.get_added_tokens_decoder().values() if t.special}
    assert len(found) == reference.get_vocab_size(with_added_tokens=True)
    wanted = sorted(reference.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    assert found == [(token, token in special) for token, _ in wanted]


def test_sentencepiece_models_become_the_real_tokenizer(tokenizers_folder, drivers, tmp_path):
    for name in ["llama2", "mistral"]:
        folder = tmp_path / name
        folder.mkdir()
        source = tokenizers_folder / name
        (folder / "tokenizer.model").write_bytes((source / "tokenizer.model").read_bytes())
        (folder / "tokenizer_config.json").write_text((source / "tokenizer_config.json").read_text())
        made = subprocess.run([drivers / "tokenizer_driver", "--convert", folder / "tokenizer.model"],
                              capture_output=True, check=True).stdout
        assert json.loads(made) == json.loads((source / "tokenizer.json").read_text())

        reference = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
        driver = Driver(drivers, folder, tmp_path)  # by tokenizer.model alone
        texts = random_text.texts(2000, seed=5)
        expect_equal(driver, reference, texts)

        sentencepiece = pytest.importorskip("sentencepiece", reason="[hf] no sentencepiece")
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        # transformers 5 ranks merges by id, SentencePiece by score: they differ on runs of blanks alone, whose pieces
        # have low ids and the lowest score.
        plain = [t for t in texts if "<" not in t and not re.search("^[ ▁]|[ ▁]{2}|\0", t)]
        assert len(plain) > 500
        assert driver.encode(plain, special=False, offsets=False)[0] == model.encode(plain)


def test_tiktoken_files_are_refused_with_the_remedy(tokenizers_folder, drivers):
    done = subprocess.run([drivers / "tokenizer_driver", "--convert",
                           tokenizers_folder / "llama3" / "tokenizer.model"], capture_output=True, text=True)
    assert done.returncode == 4
    assert "tiktoken" in done.stderr and "tokenizer.json" in done.stderr


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
          r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ]+",
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]


def split(pattern, behavior="isolated", invert=False):
    return tokenizers.pre_tokenizers.Split(pattern, behavior, invert)


def regex(expression, **how):
    return split(tokenizers.Regex(expression), **how)


def byte_level(steps=(), **how):
    how = {"add_prefix_space": False, "use_regex": not steps} | how
    last = tokenizers.pre_tokenizers.ByteLevel(**how)
    return tokenizers.pre_tokenizers.Sequence([*steps, last]) if steps else last


def train(pre_tokenizer, normalizer=None, decoder=None, corpus=None, vocab_size=2000, alphabet=True,
          trainer_options=None, **model):
    made = tokenizers.Tokenizer(tokenizers.models.BPE(**model))
    if normalizer:
        made.normalizer = normalizer
    if pre_tokenizer:
        made.pre_tokenizer = pre_tokenizer
    if decoder:
        made.decoder = decoder
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=letters, show_progress=False,
                                             **(trainer_options or {}))
    made.train_from_iterator(corpus or training_text(), trainer)
    return made


def training_text():
    return [text[:2500] for text in real_text()[:60]] + random_text.texts(1200, seed=9)


def train_byte_fallback(normalizer, pre_tokenizer, decoder, with_bytes=True, split_words=True, **model):
    """A vocabulary trained on words with ▁, to which the byte tokens are added by hand."""
    meta = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always", split=split_words)
    base = train(meta, corpus=[t[:400] for t in training_text()[:400]] if not split_words else None,
                 vocab_size=1500, alphabet=False, trainer_options={"special_tokens": ["<unk>", "<s>", "</s>"],
                                                                   "limit_alphabet": 300})
    read = json.loads(base.to_str())
    vocab = dict(read["model"]["vocab"])
    if with_bytes:
        for byte in range(256):
            vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    merges = [tuple(pair) for pair in read["model"]["merges"]]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=with_bytes, **model))
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    if normalizer:
        made.normalizer = normalizer
    if pre_tokenizer:
        made.pre_tokenizer = pre_tokenizer
    made.decoder = decoder
    return made


def llama_decoder(strip=True):
    d = tokenizers.decoders
    steps = [d.Replace("▁", " "), d.ByteFallback(), d.Fuse()] + ([d.Strip(" ", 1, 0)] if strip else [])
    return d.Sequence(steps)


def made_tokenizers():
    n, p, d = tokenizers.normalizers, tokenizers.pre_tokenizers, tokenizers.decoders
    level = d.ByteLevel()
    yield "gpt2", lambda: train(byte_level(), decoder=level)
    yield "gpt2 with prefix", lambda: train(byte_level(add_prefix_space=True), decoder=level)
    yield "qwen2 with NFC", lambda: train(byte_level([regex(QWEN2)]), n.NFC(), level)
    yield "llama3 ignoring merges", lambda: train(byte_level([regex(LLAMA3)]), decoder=level, ignore_merges=True)
    yield "tekken", lambda: train(byte_level([regex(TEKKEN)]), decoder=level)
    yield "o200k", lambda: train(byte_level([regex(O200K)]), decoder=level)
    yield "o200k removed inverted", lambda: train(byte_level([regex(O200K, behavior="removed", invert=True)]), decoder=level)
    yield "deepseek", lambda: train(byte_level([*map(regex, DEEPSEEK), p.Digits(True)]), decoder=level)
    yield "digits", lambda: train(byte_level([p.Digits(False)], use_regex=True), decoder=level)
    yield "NFKC", lambda: train(byte_level(), n.NFKC(), level)
    yield "NFD", lambda: train(byte_level(), n.NFD(), level)
    yield "NFKD", lambda: train(byte_level(), n.Sequence([n.NFKD(), n.Replace("e", "éa")]), level)
    yield "bytes missing", lambda: train(byte_level(), decoder=level, corpus=["only a few letters"] * 9, alphabet=False)
    yield "bytes missing, unknown", lambda: train(
        byte_level(), decoder=level, corpus=["only a few letters"] * 9, alphabet=False, unk_token="<unk>",
        trainer_options={"special_tokens": ["<unk>"]})
    for behavior in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]:
        for invert in (False, True):
            yield f"split {behavior} {invert}", lambda b=behavior, i=invert: train(
                byte_level([split(" ", behavior=b, invert=i), regex(r"\p{N}+|[\r\n]", behavior=b, invert=i)]),
                decoder=level)
    for scheme in ["always", "first", "never"]:
        for cut in (True, False):
            yield f"metaspace {scheme} {cut}", lambda s=scheme, c=cut: train_byte_fallback(
                None, p.Metaspace(prepend_scheme=s, split=c), d.Metaspace(prepend_scheme=s), fuse_unk=True)
    legacy = n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")])
    yield "llama legacy", lambda: train_byte_fallback(legacy, None, llama_decoder(), fuse_unk=True)
    yield "no bytes, fused", lambda: train_byte_fallback(legacy, None, llama_decoder(), with_bytes=False, fuse_unk=True)
    yield "no bytes, not fused", lambda: train_byte_fallback(legacy, None, llama_decoder(False), with_bytes=False)
    yield "merges across words", lambda: train_byte_fallback(
        None, p.Metaspace(prepend_scheme="first", split=False), llama_decoder(), split_words=False, fuse_unk=True)
    yield "NFKC and metaspace", lambda: train_byte_fallback(
        n.NFKC(), p.Metaspace(prepend_scheme="first", split=False), llama_decoder(), fuse_unk=True)
    yield "expression in a normalizer", lambda: train(
        byte_level(), n.Sequence([n.Replace(tokenizers.Regex(r"\s+"), " "), n.Prepend("¿x")]), level)


ADDED = [("<|im_start|>", {}), ("<|im_end|>", {"special": True}), ("<pad>", {"lstrip": True, "special": True}),
         ("<mask>", {"rstrip": True}), ("<both>", {"lstrip": True, "rstrip": True}), ("word", {"single_word": True}),
         ("Ångström", {"normalized": True}), ("wordy", {}), ("<|im", {}), ("ﬁn", {"normalized": True, "special": True}),
         ("  ", {"normalized": False}), ("日本", {"single_word": True, "lstrip": True, "normalized": True})]


def add_tokens(made):
    for content, how in ADDED:
        how = {"normalized": False, "special": False} | how
        token = tokenizers.AddedToken(content, **how)
        made.add_special_tokens([token]) if how["special"] else made.add_tokens([token])


@pytest.mark.parametrize("name, make", [pytest.param(*case, id=case[0].replace(" ", "-")) for case in made_tokenizers()])
def test_made_tokenizers_agree(name, make, drivers, tmp_path):
    made = make()
    path = tmp_path / "tokenizer.json"
    texts = random_text.texts(400, seed=3) + [t[:2000] for t in real_text()[::40]]
    for round in range(2):
        path.write_text(made.to_str())
        reference = tokenizers.Tokenizer.from_str(path.read_text())
        check(Driver(drivers, path, tmp_path), reference, texts)
        if round == 0 and "Regex" in path.read_text():
            check(Driver(drivers, path, tmp_path, "--pcre2-only"), reference, texts)
        # Once more with added tokens of every kind, and offsets trimmed.
        add_tokens(made)
        processors = tokenizers.processors
        template = processors.TemplateProcessing("<|im_start|> $A <|im_end|>", "$A $B", [
            ("<|im_start|>", made.token_to_id("<|im_start|>")), ("<|im_end|>", made.token_to_id("<|im_end|>"))])
        made.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
        contents = [content for content, _ in ADDED]
        texts = random_text.texts(400, seed=4, added=contents) + around_added_tokens(contents)
