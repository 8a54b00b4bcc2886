"""Our tokenizer against PyPI's tokenizers: ids, offsets and decoding, on real and made tokenizers."""

import json
import pathlib
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


def real_text():
    """A few megabytes of what lies on every machine: Python's own library, and licences."""
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    texts, size = [], 0
    for path in sorted(library.glob("**/*.py")):
        if size > 3_000_000:
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
    expect_equal(driver, reference, texts, special=False, offsets=False)
    expect_same_decoding(driver, reference, ids)


def test_real_tokenizers_agree_on_random_text(real):
    driver, reference, _ = real
    texts = random_text.texts(100_000 // len(REAL) + 1, seed=1, added=added_contents(reference)[:20])
    check(driver, reference, texts)


def test_real_tokenizers_agree_on_every_code_point(real):
    driver, reference, _ = real
    check(driver, reference, random_text.every_code_point())


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
