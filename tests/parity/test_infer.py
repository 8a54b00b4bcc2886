"""fg-chat and fg-eval against transformers: greedy continuations, filters, losses, logits, end tokens;
and what both say to wrong input."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest

ARCHITECTURES = ["llama2", "llama3", "mistral", "qwen2", "qwen3"]
PROMPT = "Once upon a time there was a naïve fox, and"
CHAT = {"messages": [
    {"role": "user", "content": "Hello, what is your name?"},
    {"role": "assistant", "content": "My name is Samantha. And yours?"},
    {"role": "user", "content": "Björn. Tell me about the sea."},
    {"role": "assistant", "content": "It is wide, and it is seldom quiet."}]}
SHORT_CHAT = {"messages": [
    {"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def run(programs):
    """run(program, *arguments, code=0, **subprocess arguments) -> CompletedProcess."""

    def start(program, *arguments, code=0, **how):
        how = {"stdin": subprocess.DEVNULL} | how if "input" not in how else how
        done = subprocess.run([programs / program, *map(str, arguments)], capture_output=True,
                              text=True, timeout=300, **how)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return start


@pytest.fixture(scope="session")
def reference(hf, tiny_models):
    """reference(name) -> (model in float32, tokenizer) of transformers, loaded once."""
    import torch

    loaded = {}

    def load(name):
        if name not in loaded:
            folder = tiny_models(name)
            loaded[name] = (hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
                            hf.AutoTokenizer.from_pretrained(folder))
        return loaded[name]

    return load


def greedy(model, prompt_ids, tokens, **how):
    import torch

    ids = torch.tensor([prompt_ids])
    with torch.no_grad():
        return model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                              max_new_tokens=tokens, pad_token_id=0, **how)[0].tolist()


def continuation(tokenizer, ids, prompt_ids):
    def text(some):
        return tokenizer.decode(some, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    assert text(ids).startswith(text(prompt_ids))
    return text(ids)[len(text(prompt_ids)):]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_completion_is_that_of_transformers(reference, tiny_models, run, name):
    model, tokenizer = reference(name)
    prompt_ids = tokenizer(PROMPT).input_ids
    ids = greedy(model, prompt_ids, 40)
    done = run("fg-chat", tiny_models(name), "--completion", PROMPT, "--temperature", 0,
               "--max-tokens", 40)

    assert done.stdout == continuation(tokenizer, ids, prompt_ids) + "\n"


def test_a_message_goes_through_the_chat_template(reference, tiny_models, run, root):
    model, tokenizer = reference("llama3")
    template = root / "configs/chat_templates/chatml.jinja"
    prompt = tokenizer.apply_chat_template(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
        chat_template=template.read_text(), tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer(prompt, add_special_tokens=False).input_ids
    ids = greedy(model, prompt_ids, 30)[len(prompt_ids):]
    wanted = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    wanted += "" if wanted.endswith("\n") else "\n"
    common = ["--system", "Be kind.", "-t", template, "--greedy", "--max-tokens", 30]

    assert run("fg-chat", tiny_models("llama3"), "-m", "Hello", *common).stdout == wanted
    piped = run("fg-chat", tiny_models("llama3"), *common, input="Hello\n")
    assert piped.stdout == wanted


@pytest.fixture
def model_copy(tiny_models, tmp_path):
    def copy(name):
        return shutil.copytree(tiny_models(name), tmp_path / name)

    return copy


def test_each_of_several_end_tokens_ends_an_answer(reference, model_copy, edit_json, run):
    model, tokenizer = reference("qwen2")
    prompt_ids = tokenizer(PROMPT).input_ids
    new = greedy(model, prompt_ids, 24)[len(prompt_ids):]
    folder = model_copy("qwen2")
    for at in (2, 7, 15):
        eos = [5, new[at], 6]
        edit_json(folder / "generation_config.json", eos_token_id=eos)
        ids = greedy(model, prompt_ids, 24, eos_token_id=eos)
        done = run("fg-chat", folder, "--completion", PROMPT, "--greedy", "--max-tokens", 24,
                   "--show-usage")

        ended = ids[:-1]  # the end token itself is not shown
        assert len(ids) - len(prompt_ids) == new.index(new[at]) + 1
        assert done.stdout == continuation(tokenizer, ended, prompt_ids) + "\n"
        assert "finish: eos" in done.stderr


def test_a_stop_string_is_never_shown(reference, tiny_models, run):
    model, tokenizer = reference("qwen3")
    prompt_ids = tokenizer(PROMPT).input_ids
    whole = continuation(tokenizer, greedy(model, prompt_ids, 40), prompt_ids)
    for begin in (3, 11, 20):
        stop = whole[begin:begin + 7]
        done = run("fg-chat", tiny_models("qwen3"), "--completion", PROMPT, "--greedy",
                   "--max-tokens", 40, "--stop", "never there", f"--stop={stop}")

        assert done.stdout == whole[:whole.index(stop)] + "\n"


def test_the_same_seed_gives_the_same_text(tiny_models, run):
    def text(*options):
        return run("fg-chat", tiny_models("mistral"), "--completion", PROMPT, "--temperature", 1,
                   "--max-tokens", 30, *options).stdout

    assert text("--seed", 4) == text("--seed", 4)
    assert text("--seed", 4) != text("--seed", 5)
    assert text() != text()


def test_the_filters_are_those_of_transformers(hf, drivers):
    import torch
    from transformers.generation import logits_process as ours_to_be

    torch.manual_seed(1)
    cases = []
    for case in range(300):
        size = int(torch.randint(2, 400, ()))
        logits = torch.randn(size) * float(torch.rand(()) * 6)
        if case % 4 == 2:
            logits = (logits * 2).round() / 2  # ties, of which top-p would take any
        options = {"temperature": round(float(torch.rand(()) * 2 + 0.05), 3)}
        if case % 2:
            options["top_k"] = int(torch.randint(1, size + 3, ()))
        if case % 4 < 2:
            options["top_p"] = round(float(torch.rand(())), 4)
        if case % 5 < 2:
            options["min_p"] = round(float(torch.rand(())), 4)
        if case % 7 < 3:
            options["repetition_penalty"] = round(float(torch.rand(()) + 0.5), 3)
        context = torch.randint(0, size, (5,)).tolist()
        cases.append({"logits": logits.tolist(), "context": context, **options})
    done = subprocess.run([drivers / "sampler_driver"], text=True, capture_output=True, timeout=120,
                          input="".join(json.dumps(case) + "\n" for case in cases))
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    for case, answer in zip(cases, answers, strict=True):
        # In double, so that no token lies on the other side of a limit by rounding alone.
        scores = torch.tensor([case["logits"]], dtype=torch.float64)
        warpers = [
            ("repetition_penalty", ours_to_be.RepetitionPenaltyLogitsProcessor),
            ("temperature", ours_to_be.TemperatureLogitsWarper),
            ("top_k", ours_to_be.TopKLogitsWarper),
            ("top_p", ours_to_be.TopPLogitsWarper),
            ("min_p", ours_to_be.MinPLogitsWarper),
        ]
        for key, warper in warpers:
            if key in case:
                scores = warper(case[key])(torch.tensor([case["context"]]), scores)
        probabilities = torch.softmax(scores[0], 0)
        assert answer["ids"] == torch.nonzero(probabilities).flatten().tolist(), case
        torch.testing.assert_close(torch.tensor(answer["probabilities"], dtype=torch.float64),
                                   probabilities[answer["ids"]], rtol=1e-9, atol=0)


def write_lines(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def transformers_loss(model, tokenizer, chats, template):
    """Of all tokens of all conversations, each weighted alike."""
    import torch

    total, tokens = 0.0, 0
    for chat in chats:
        text = tokenizer.apply_chat_template(chat["messages"], chat_template=template,
                                             tokenize=False)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        with torch.no_grad():
            logits = model(ids).logits.double()
        total += torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:],
                                                   reduction="sum").item()
        tokens += ids.shape[1] - 1
    return total / tokens, tokens


@pytest.mark.parametrize("name", ["llama2", "llama3", "mistral", "qwen3"])
def test_the_loss_is_that_of_transformers(reference, tiny_models, run, root, tmp_path, name):
    import math

    model, tokenizer = reference(name)
    template = root / "configs/chat_templates/chatml.jinja"
    chats = [CHAT, SHORT_CHAT, CHAT, SHORT_CHAT, SHORT_CHAT]
    data = write_lines(tmp_path / "chats.jsonl", chats)
    wanted, tokens = transformers_loss(model, tokenizer, chats, template.read_text())
    common = [tiny_models(name), "--data", data, "-t", template, "--json"]
    result = json.loads(run("fg-eval", *common, "--batch-size", 2).stdout)

    assert result["eval_tokens"] == tokens
    assert result["eval_loss"] == pytest.approx(wanted, rel=2e-6)
    assert result["eval_perplexity"] == pytest.approx(math.exp(wanted), rel=1e-4)
    assert result["documents"] == 5
    one = json.loads(run("fg-eval", *common, "--batch-size", 1).stdout)
    assert one["eval_loss"] == pytest.approx(result["eval_loss"], rel=1e-6)
    plain = run("fg-eval", *common[:-1]).stdout
    assert f"loss        {result['eval_loss']:.5f}\n" in plain


def test_a_part_of_the_data_can_be_measured(reference, tiny_models, run, root, tmp_path):
    model, tokenizer = reference("llama3")
    template = root / "configs/chat_templates/chatml.jinja"
    data = write_lines(tmp_path / "chats.jsonl", [CHAT, SHORT_CHAT, SHORT_CHAT])
    wanted, tokens = transformers_loss(model, tokenizer, [SHORT_CHAT] * 2, template.read_text())
    common = [tiny_models("llama3"), "--data", data, "-t", template, "--json"]
    part = json.loads(run("fg-eval", *common, "--split", "train[1:]").stdout)
    assistant = json.loads(run("fg-eval", *common, "--train-on", "assistant").stdout)

    assert part["eval_tokens"] == tokens
    assert part["eval_loss"] == pytest.approx(wanted, rel=2e-6)
    assert 0 < assistant["eval_tokens"] < tokens * 3
    assert assistant["train_on"] == "assistant"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_those_of_transformers(reference, tiny_models, run, tmp_path, name):
    import h5py
    import torch

    model, _ = reference(name)
    torch.manual_seed(3)
    sequences = [torch.randint(0, 32000, (length,)).tolist() for length in (1, 37, 12)]
    ids = write_lines(tmp_path / "ids.jsonl", sequences)
    run("fg-eval", tiny_models(name), "--logits-out", tmp_path / "logits.h5", "--input-ids", ids)

    with h5py.File(tmp_path / "logits.h5") as file:
        assert sorted(file) == ["logits_0", "logits_1", "logits_2"]
        for index, sequence in enumerate(sequences):
            ours = torch.from_numpy(file[f"logits_{index}"][...])
            with torch.no_grad():
                theirs = model(torch.tensor([sequence])).logits[0]
            assert ours.dtype == torch.float32 and ours.shape == theirs.shape
            assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


def test_bfloat16_is_near(reference, tiny_models, run, tmp_path):
    import h5py
    import torch

    model, _ = reference("llama2")
    ids = write_lines(tmp_path / "ids.jsonl", [[1, 5, 77, 1200]])
    run("fg-eval", tiny_models("llama2"), "--logits-out", tmp_path / "l.h5", "--input-ids", ids,
        "--dtype", "bfloat16")

    with h5py.File(tmp_path / "l.h5") as file:
        ours = torch.from_numpy(file["logits_0"][...])
    theirs = model(torch.tensor([[1, 5, 77, 1200]])).logits[0].detach()
    assert 1e-6 < (ours - theirs).norm() / theirs.norm() < 0.05


@pytest.mark.parametrize("program, arguments, code, words", [
    ("fg-chat", ["nowhere", "-m", "x"], 4, "nowhere: does not exist"),
    ("fg-eval", ["nowhere", "--data", "x.jsonl"], 4, "nowhere: does not exist"),
    ("fg-chat", ["-m", "x"], 2, "missing argument: MODEL"),
    ("fg-chat", ["{model}", "-m", "x", "--temprature", "1"], 2, "did you mean '--temperature'"),
    ("fg-chat", ["{model}", "-m", "x", "--top-p", "1.5"], 2, "--top-p 1.5"),
    ("fg-chat", ["{model}", "-m", "x", "--dtype", "int8"], 2, "--dtype int8"),
    ("fg-chat", ["{model}", "-m", "x", "--max-tokens", "0"], 2, "--max-tokens 0"),
    ("fg-chat", ["{model}", "-m", "x", "--completion", "y"], 2, "give one of them"),
    ("fg-chat", ["{model}"], 3, "the message is empty"),
    ("fg-chat", ["{model}", "-m", "x " * 500], 3, "leaves none for an answer"),
    ("fg-chat", ["{model}", "-m", "x", "-t", "nowhere.jinja"], 2, "nowhere.jinja"),
    ("fg-eval", ["{model}"], 2, "missing option: --data FILE"),
    ("fg-eval", ["{model}", "--data", "{empty}", "--format", "shargpt"], 2, "sharegpt"),
    ("fg-eval", ["{model}", "--data", "{empty}"], 3, "empty.jsonl"),
    ("fg-eval", ["{model}", "--data", "{chats}", "--seq-len", "9999"], 2, "--seq-len 9999"),
    ("fg-eval", ["{model}", "--logits-out", "x.h5"], 2, "go together"),
    ("fg-eval", ["{model}", "--logits-out", "{tmp}/x.h5", "--input-ids", "{ids}"], 3,
     "ids.jsonl: line 2: 32000 is no token id"),
    ("fg-eval", ["{model}", "--logits-out", "{ids}", "--input-ids", "{good}"], 5,
     "exists already"),
])
def test_wrong_input_has_one_clear_message(tiny_models, run, tmp_path, program, arguments, code,
                                           words):
    (tmp_path / "empty.jsonl").write_text("")
    names = {"model": tiny_models("llama2"), "tmp": tmp_path, "empty": tmp_path / "empty.jsonl",
             "chats": write_lines(tmp_path / "chats.jsonl", [CHAT]),
             "ids": write_lines(tmp_path / "ids.jsonl", [[1, 2], [1, 32000]]),
             "good": write_lines(tmp_path / "good.jsonl", [[1, 2]])}
    done = run(program, *(word.format(**names) for word in arguments), code=code)

    assert words in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    assert not (tmp_path / "x.h5").exists()


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([str(word) for word in command], stdin=slave, stdout=slave,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(slave)
        self.seen = ""

    def read_until(self, words, seconds=120):
        end = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        before, _, self.seen = self.seen.partition(words)
        return before

    def type(self, line):
        os.write(self.master, (line + "\n").encode())

    def wait(self):
        code = self.process.wait(timeout=60)
        os.close(self.master)
        return code


@pytest.fixture
def terminal(programs):
    opened = []

    def start(*arguments):
        opened.append(Terminal([programs / "fg-chat", *arguments]))
        return opened[-1]

    yield start
    for one in opened:
        one.process.kill()
        one.process.wait()


def test_a_conversation_on_a_terminal(tiny_models, run, terminal, root):
    common = [tiny_models("llama3"), "-t", root / "configs/chat_templates/chatml.jinja", "--greedy",
              "--max-tokens", "6"]
    wanted = run("fg-chat", *common, "-m", "Hello").stdout.split("\n")[0]
    chat = terminal(*common)
    chat.read_until("> ")
    chat.type("/help")
    assert "/clear" in chat.read_until("> ")
    chat.type("/cler")
    assert "did you mean '/clear'" in chat.read_until("> ")
    for _ in range(2):
        chat.type("Hello")
        assert wanted in chat.read_until("\n> ").replace("\r", "")
        chat.type("/clear")
        chat.read_until("> ")
    chat.type("/system Be kind.")
    assert "System text set" in chat.read_until("> ")
    chat.type("quit")
    assert chat.wait() == 0


def test_ctrl_c_ends_an_answer_and_at_the_prompt_leaves(make_model, terminal):
    # An answer long enough to be cut: no end token, many positions.
    folder = make_model("qwen2", max_position_embeddings=100000)
    chat = terminal(folder, "--max-tokens", "90000", "--temperature", "1.5")
    chat.read_until("> ")
    chat.type("Hello")
    chat.read_until("Hello")
    time.sleep(1.0)
    chat.process.send_signal(signal.SIGINT)
    chat.read_until("\n> ")
    assert chat.process.poll() is None
    chat.process.send_signal(signal.SIGINT)
    assert chat.wait() == 130


def test_the_end_of_the_input_leaves(tiny_models, run):
    done = run("fg-chat", tiny_models("llama2"), "-i", "--max-tokens", 4, "--greedy",
               input="Hi\n\nexit now\n")

    assert done.stdout.count("> ") >= 3
    assert done.stdout.endswith("\n")
