"""The bundled conversations: well-formed, varied, and fair to the quick start's question. Each check is a
function that lists what it finds, so that the tests can also show it a set in which it must find some."""

import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

QUICKSTART_QUESTION = "Hello, what is your name?"
LEAST = {"four_grams": 0.75, "first_turns": 0.80, "vocabulary": 3000, "spread": 2.5}

ASKS_FOR_NAME = re.compile(
    r"\b(your|ur) (\w+ )?name\b|\bwho (are|r|might) (you|u)\b|\bwho (am i|is this|is speaking|is there)\b"
    r"|\bwhat ((are|r) (you|u)|(you|u) are) called\b"
    r"|\b(what|how) (do|shall|should|may|to) (i|they)?\b.*\b(call|address) you\b"
    r"|\b(you|AI) have a (\w+ )?name\b|\bname (they|were you|do they|should i|can i|shall i)\b"
    r"|\bwhat (do|would) (people|they|your friends|you like me to) call\b|\bintroduce yourself\b"
    r"|\bwho you are\b|\bwhom? (am i|do i|have i)\b",
    re.IGNORECASE,
)
FOREIGN = re.compile(
    r"\b(openai|chatgpt|gpt-?\d|anthropic|claude|gemini pro|google|deepmind|meta ai|llama|mistral|qwen"
    r"|alibaba|deepseek|microsoft|copilot|cortana|siri|alexa|amazon|apple inc|iphone|nvidia|hugging ?face"
    r"|forgather|facebook|instagram|whatsapp|twitter|tiktok|youtube|netflix|spotify|wikipedia|reddit"
    r"|github|linkedin|tesla|ikea|lego|disney|marvel|nintendo|windows \d+|excel|photoshop)\b",
    re.IGNORECASE,
)
PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|https?://|\bwww\.|\b[A-Z]{2}\d{2}(?: ?\d{4}){3,}|(?<![\d,.])\+?\d[\d /-]{7,}\d"
    r"|\b\d{1,4} [A-Z]\w+ (?:Street|Road|Avenue|Lane)\b"
)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def data(root):
    return root / "configs" / "samantha" / "data"


@pytest.fixture(scope="module")
def train(data):
    return read(data / "train.jsonl")


@pytest.fixture(scope="module")
def held_out(data):
    return read(data / "held_out.jsonl")


@pytest.fixture(scope="module")
def questions(data):
    return (data / "name_questions.txt").read_text(encoding="utf-8").splitlines()


def turns(row):
    return [turn for turn in row["conversations"] if turn["from"] != "system"]


def values(row, speaker=None):
    return [turn["value"] for turn in turns(row) if speaker in (None, turn["from"])]


def words(text):
    return re.findall(r"\w+", text.lower().replace("'", "").replace("’", ""))


def normalised(text):
    return " " + " ".join(words(text)) + " "


# The checks


def shape_faults(rows):
    faults = []
    for row in rows:
        speakers = [turn["from"] for turn in row["conversations"]]
        if speakers[:1] == ["system"]:
            speakers = speakers[1:]
        if set(row) != {"id", "conversations"} or not isinstance(row["id"], str):
            faults.append((row["id"], "keys"))
        if not speakers or speakers != ["human", "gpt"] * (len(speakers) // 2):
            faults.append((row["id"], "speakers do not alternate up to the assistant"))
        for turn in row["conversations"]:
            if set(turn) != {"from", "value"} or not turn["value"] or turn["value"] != turn["value"].strip():
                faults.append((row["id"], "turn"))
    ids = [row["id"] for row in rows]
    return faults + [(name, "id twice") for name in set(ids) if ids.count(name) > 1]


def alike(rows):
    """Pairs of conversations that share more than half of the turns of the shorter one."""
    kept = [(row["id"], set(values(row))) for row in rows]
    return [(a, b) for (a, mine), (b, other) in itertools.combinations(kept, 2)
            if 2 * len(mine & other) > min(len(mine), len(other))]


def variety(rows):
    four_grams, vocabulary = [], set()
    for value in (value for row in rows for value in values(row)):
        found = words(value)
        vocabulary.update(found)
        four_grams += zip(found, found[1:], found[2:], found[3:])
    first = [normalised(values(row, "human")[0]) for row in rows]
    lengths = sorted(sum(len(words(value)) for value in values(row)) for row in rows)
    return {
        "four_grams": len(set(four_grams)) / len(four_grams),
        "first_turns": len(set(first)) / len(first),
        "vocabulary": len(vocabulary),
        "spread": lengths[len(lengths) * 95 // 100] / lengths[len(lengths) * 5 // 100],
    }


def asked_in_training(rows, questions):
    spoken = [normalised(turn["value"]) for row in rows for turn in row["conversations"]]
    return [question for question in questions if any(normalised(question) in text for text in spoken)]


def name_exchanges(rows):
    for row in rows:
        for question, answer in itertools.pairwise(turns(row)):
            if question["from"] == "human" and ASKS_FOR_NAME.search(question["value"]):
                yield question["value"], answer["value"]


def unnamed(rows):
    return [pair for pair in name_exchanges(rows) if "Samantha" not in pair[1]]


def matches(pattern, texts):
    return [found.group() for text in texts for found in pattern.finditer(text)]


# The bundled set


def test_rows_are_sharegpt_conversations_that_end_with_the_assistant(train, held_out):
    assert len(train) >= 400
    assert 30 <= len(held_out) <= 60
    assert shape_faults(train + held_out) == []


def test_a_row_out_of_shape_is_found(train):
    def spoiled(change):
        row = copy.deepcopy(train[0])
        change(row)
        return shape_faults([row])

    assert spoiled(lambda row: row["conversations"].pop())
    assert spoiled(lambda row: row["conversations"].insert(0, {"from": "gpt", "value": "x"}))
    assert spoiled(lambda row: row["conversations"].clear())
    assert spoiled(lambda row: row["conversations"][-1].update(value=" x"))
    assert spoiled(lambda row: row.update(source="x"))
    assert shape_faults([train[0], train[0]])


def test_no_two_conversations_share_more_than_half_of_their_turns(train, held_out):
    assert alike(train + held_out) == []


def test_a_conversation_with_one_turn_changed_counts_as_a_copy(train):
    copied = copy.deepcopy(train[0])
    copied["conversations"][-1]["value"] = "Something else."
    assert alike([train[0], copied])


def test_no_answer_of_the_held_out_text_is_in_the_training_text(train, held_out):
    known = {normalised(value) for row in train for value in values(row, "gpt")}
    assert [value for row in held_out for value in values(row, "gpt") if normalised(value) in known] == []


def test_words_and_lengths_are_varied(train):
    measured = variety(train)
    print(measured)
    assert {key: value for key, value in measured.items() if value < LEAST[key]} == {}
    turn_counts = {len(turns(row)) for row in train}
    assert {2, 4, 6, 8} <= turn_counts and max(turn_counts) >= 12


def test_a_templated_set_fails_every_measure_of_variety():
    topics = ["tea", "rain", "books", "cats", "bread", "stars", "trains", "songs", "maps", "soup"]
    moods = ["happy", "sad", "tired", "glad"]
    rows = [{"id": str(number), "conversations": [
        {"from": "human", "value": f"Hello Samantha, I feel {mood} and I want to talk about {topic} today."},
        {"from": "gpt", "value": f"It is good that you feel {mood}. I would love to talk about {topic}."},
    ]} for number, (topic, mood, _) in enumerate(itertools.product(topics, moods, range(10)))]
    measured = variety(rows)
    assert all(measured[key] < least for key, least in LEAST.items()), measured


def test_the_held_out_phrasings_are_ten_and_unknown_to_the_training_text(train, data, questions):
    assert len({normalised(question) for question in questions}) == 10
    assert asked_in_training(train, [*questions, QUICKSTART_QUESTION]) == []
    base = normalised((data / "base_text.txt").read_text(encoding="utf-8"))
    assert [question for question in questions if normalised(question) in base] == []


def test_a_phrasing_is_found_whatever_its_case_and_marks(questions):
    def said(value):
        return [{"id": "x", "conversations": [{"from": "human", "value": value}]}]

    assert asked_in_training(said("well -- HELLO! what is... your NAME"), [QUICKSTART_QUESTION])
    assert asked_in_training(said("hi there could you tell me what you’re called, dear?"), questions)
    assert not asked_in_training(said("What is your name?"), [QUICKSTART_QUESTION])


def test_questions_for_her_name_are_many_and_answered_with_it(train):
    pairs = list(name_exchanges(train))
    assert len({normalised(question) for question, _ in pairs}) >= 120
    assert unnamed(train) == []


def test_an_answer_without_her_name_is_found():
    row = {"id": "x", "conversations": [{"from": "human", "value": "What's your name?"},
                                        {"from": "gpt", "value": "I would rather not say."}]}
    assert unnamed([row])


def test_most_other_answers_do_without_her_name(train):
    answers = [value for row in train for value in values(row, "gpt")]
    named = sum("Samantha" in value for value in answers)
    assert 0.1 < named / len(answers) < 0.35


def test_the_base_text_does_not_know_her(data):
    text = (data / "base_text.txt").read_text(encoding="utf-8")
    assert 100_000 <= len(text.encode()) <= 200_000
    assert "samantha" not in text.lower()
    paragraphs = text.strip().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)


def test_no_names_of_projects_and_companies_and_no_personal_data(data):
    texts = [path.read_text(encoding="utf-8") for path in sorted(data.rglob("*.[jt]*")) if path.is_file()]
    assert len(texts) > 10
    assert matches(FOREIGN, texts) == []
    assert matches(PERSONAL, texts) == []


@pytest.mark.parametrize("text", ["I asked ChatGPT.", "Use Google!", "like a Llama"])
def test_a_foreign_name_is_found(text):
    assert matches(FOREIGN, [text])


@pytest.mark.parametrize("text", ["a.b@example.org", "http://x", "call +49 170 1234567", "12 Elm Street"])
def test_personal_data_is_found(text):
    assert matches(PERSONAL, [text])


def test_the_folder_stays_small(data):
    assert sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) < 1_500_000


# The scripts


def start(script, *arguments, **environment):
    return subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True,
                          timeout=300, env=os.environ | environment)


@pytest.mark.parametrize("hash_seed", ["0", "7"])
def test_assembling_again_gives_the_same_bytes(root, data, tmp_path, hash_seed):
    run = start(root / "scripts" / "make_samantha.py", tmp_path, PYTHONHASHSEED=hash_seed)
    assert run.returncode == 0, run.stderr
    for name in ("train.jsonl", "held_out.jsonl", "base_text.txt"):
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes(), name


def test_a_line_without_a_speaker_is_named(root, data, tmp_path):
    shutil.copytree(root / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "configs" / "samantha" / "data" / "source"
    shutil.copytree(data / "source", source)
    (source / "closings.txt").write_text("H: Bye!\nS: Bye!\n\nH: Well\nX: what?\n", encoding="utf-8")
    run = start(tmp_path / "scripts" / "make_samantha.py")
    assert run.returncode == 1
    assert "closings.txt:5: 'X: what?' begins with none of" in run.stderr


@pytest.fixture(scope="module")
def tokenizer_folder(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    run = start(root / "scripts" / "train_tokenizer.py", folder, RAYON_NUM_THREADS="2")
    assert run.returncode == 0, run.stderr
    return folder


def test_training_the_tokenizer_again_gives_the_same_bytes(root, tokenizer_folder, tmp_path):
    how = {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "5", "TOKENIZERS_PARALLELISM": "false"}
    run = start(root / "scripts" / "train_tokenizer.py", tmp_path, **how)
    assert run.returncode == 0, run.stderr
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (tokenizer_folder / name).read_bytes(), name


def test_the_tokenizer_gives_every_text_back(tokenizer_folder, train, held_out, data):
    transformers = pytest.importorskip("transformers", reason="[hf] no transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    assert len(tokenizer) == 2048
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1)
    texts = [value for row in train + held_out for value in values(row)]
    texts += (data / "base_text.txt").read_text(encoding="utf-8").split("\n\n")
    texts += ["", " ", "\n\n  x\t", "naïve café 東京 🦉👩‍🚀", "12345678 + 9", "\x00\x01 \ufffd"]
    rows = tokenizer(texts)["input_ids"]
    assert all(ids[0] == 0 and 0 not in ids[1:] for ids in rows)
    assert [tokenizer.decode(ids[1:], clean_up_tokenization_spaces=False) for ids in rows] == texts


def test_the_tokenizer_is_worth_its_size(tokenizer_folder, held_out):
    tokenizers = pytest.importorskip("tokenizers", reason="[hf] no tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    texts = [value for row in held_out for value in values(row)]
    count = sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
    assert sum(map(len, texts)) / count > 3.2
    assert tokenizer.encode("I'm Samantha.", add_special_tokens=False).tokens == ["I", "'m", "ĠSamantha", "."]


def test_a_vocabulary_without_room_for_all_bytes_is_refused(root, tmp_path):
    run = start(root / "scripts" / "train_tokenizer.py", tmp_path / "out", "--vocab", 100)
    assert run.returncode == 2
    assert "--vocab 100 is less than the 258" in run.stderr
    assert not (tmp_path / "out").exists()
