"""fg-eval under several ranks: the same bits as alone, and one end for all."""

import json
import os

import pytest

from train_fixtures import ONE_THREAD


@pytest.fixture
def evaluate(programs, mpirun, tmp_path):
    """evaluate(ranks, words…, code=0, **environment) -> CompletedProcess of fg-eval."""

    def run(ranks, *words, code=0, cache="cache", **environment):
        env = os.environ | ONE_THREAD | {"XDG_CACHE_HOME": str(tmp_path / cache)} | environment
        done = mpirun(ranks, [programs / "fg-eval", *words], env=env, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.mark.parametrize("options", [["--batch-size", 1], ["--batch-size", 3, "--max-batches", 4]])
def test_the_loss_has_the_same_bits_at_any_number_of_ranks(evaluate, chat_model, few_chats, options):
    told = {}
    for ranks in (1, 2, 3):
        done = evaluate(ranks, chat_model, "--data", few_chats, "--seq-len", 128, "--json", *options)
        told[ranks] = json.loads(done.stdout)
        del told[ranks]["seconds"]
    assert told[1] == told[2] == told[3]
    assert told[1]["eval_tokens"] > 100 and told[1]["eval_loss"] > 0


def test_more_ranks_than_batches(evaluate, chat_model, few_chats):
    words = [chat_model, "--data", few_chats, "--seq-len", 64, "--max-batches", 2]
    assert evaluate(1, *words).stdout == evaluate(3, *words).stdout


def test_the_logits_file_has_the_same_bytes(evaluate, chat_model, tmp_path):
    ids = tmp_path / "ids.jsonl"
    ids.write_text("".join(json.dumps([5 + number] * (3 + number)) + "\n" for number in range(7)))
    for ranks in (1, 2, 3):
        evaluate(ranks, chat_model, "--input-ids", ids, "--logits-out", tmp_path / f"{ranks}.h5")
    one = (tmp_path / "1.h5").read_bytes()
    assert one == (tmp_path / "2.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()
    assert len(one) > 10_000


def test_a_mistake_ends_all_with_one_message(evaluate, chat_model, few_chats, tmp_path):
    done = evaluate(2, chat_model, "--data", few_chats, "--dtype", "float33", code=2)
    assert done.stderr.count("--dtype float33") == 1
    ids = tmp_path / "ids.jsonl"
    ids.write_text("[1, 2]\n[1, 999999999]\n")
    done = evaluate(2, chat_model, "--input-ids", ids, "--logits-out", tmp_path / "l.h5", code=3)
    assert done.stderr.count("line 2") == 1 and not (tmp_path / "l.h5").exists()
    evaluate(2, tmp_path, "--data", few_chats, code=4)


def test_ranks_that_start_together_tokenise_once(evaluate, chat_model, few_chats, tmp_path):
    for cache, ranks in (("alone", 1), ("together", 3)):
        evaluate(ranks, chat_model, "--data", few_chats, "--seq-len", 64, "--max-batches", 1,
                 cache=cache)
    files = [list((tmp_path / cache / "fg").iterdir()) for cache in ("alone", "together")]
    assert [len(found) for found in files] == [1, 1], "no lock, no half file"
    assert files[0][0].read_bytes() == files[1][0].read_bytes()
