"""fg-bench on the CPU with a tiny model: what it reports, recomputed here from the shape alone, and what it refuses."""

import json
import statistics
import subprocess

import pytest

SHAPE = dict(model_type="llama", architectures=["LlamaForCausalLM"], vocab_size=500, hidden_size=32,
             intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5,
             hidden_act="silu", tie_word_embeddings=False)
FIELDS = {"row", "peer", "shape", "rows", "length", "documents", "policy", "vocab", "vocab_size", "optimizer",
          "dtype", "device", "tokens_per_second", "spread", "mfu", "peak_allocated_gib", "peak_driver_gib",
          "step_seconds", "light", "phases", "forecast_gib", "versions", "host_waits"}


@pytest.fixture
def shape(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SHAPE))
    return folder / "config.json"


@pytest.fixture
def bench(programs, tmp_path):
    """bench(*options, code=0) -> (CompletedProcess, the rows of --json)."""

    def run(*options, code=0):
        file = tmp_path / "rows.json"
        file.unlink(missing_ok=True)
        done = subprocess.run([programs / "fg-bench", "--json", file, *map(str, options),
                               *([] if "--devices" in options else ["--devices", "cpu"])],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done, json.loads(file.read_text()) if file.exists() else None

    return run


def one(bench, *options):
    done, rows = bench("--steps", 4, "--warmup", 1, *options)
    assert len(rows) == 1
    return done, rows[0]


def training_operations(vocab, rows, length):
    """Of one step with one document a row, by docs/performance.md."""
    hidden, inner, layers = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["num_hidden_layers"]
    heads, keys, size = SHAPE["num_attention_heads"], SHAPE["num_key_value_heads"], SHAPE["head_dim"]
    matrices = layers * (hidden * (2 * heads + 2 * keys) * size + 3 * hidden * inner)
    tokens, trained = rows * length, rows * (length - 1)
    pairs = rows * length * (length + 1) / 2
    return 6 * matrices * tokens + 6 * vocab * hidden * trained + 12 * layers * heads * size * pairs


def test_a_row_reports_every_field_and_its_numbers_follow_from_the_shape(bench, shape):
    done, row = one(bench, "--shape", shape, "--rows", 2, "--length", 48, "--peak-tflops", 0.5)
    assert FIELDS <= set(row), FIELDS - set(row)
    assert row["row"] == "tiny-2x48-keep" and row["peer"] == "fg" and row["device"] == "CPU"
    assert len(row["step_seconds"]) == 4 and min(row["step_seconds"]) > 0
    seconds = statistics.median(row["step_seconds"])
    assert row["tokens_per_second"] == pytest.approx(2 * 48 / seconds)
    assert row["spread"] == pytest.approx([96 / max(row["step_seconds"]), 96 / min(row["step_seconds"])])
    assert row["mfu"] == pytest.approx(training_operations(500, 2, 48) / seconds / 0.5e12)
    light = row["light"]
    assert light["tokens_per_second"] == pytest.approx(96 / statistics.median(light["step_seconds"]))
    assert light["percent"] == pytest.approx(100 * row["tokens_per_second"] / light["tokens_per_second"])
    assert row["forecast_gib"] == pytest.approx(sum(row["forecast_parts_gib"].values()))
    assert row["peak_driver_gib"] > 0 and row["host_waits"] == 0
    # Random weights know nothing: the loss is that of even odds.
    assert row["loss"] == pytest.approx(6.2, abs=0.3)
    assert "tiny-2x48-keep" in done.stdout and "tok/s" in done.stdout


@pytest.mark.parametrize("policy, kept", [("keep", 3), ("checkpoint", 0), ("offload", 0), ("auto", 3)])
def test_each_policy_trains(bench, shape, policy, kept):
    _, row = one(bench, "--shape", shape, "--length", 16, "--policy", policy)
    assert row["policy"] == policy and row["kept_layers"] == kept
    assert row["light"]["percent"] > 0


def test_auto_keeps_fewer_layers_in_a_budget_that_is_too_small(bench, shape):
    _, row = one(bench, "--shape", shape, "--length", 16, "--policy", "auto", "--budget-gib", 0.01)
    assert row["kept_layers"] == 0 and row["row"] == "tiny-1x16-auto-0gib"


def test_the_same_seed_trains_the_same_and_documents_are_cut_from_rows(bench, shape):
    options = ("--shape", shape, "--length", 40, "--documents", 5, "--no-light", "--optimizer", "adamw")
    first, second = (one(bench, *options)[1] for _ in range(2))
    assert first["loss"] == second["loss"] and first["light"] is None
    assert one(bench, *options, "--seed", 7)[1]["loss"] != first["loss"]
    assert first["documents"] == 5 and first["row"].endswith("-5docs")
    # Shorter documents have fewer pairs and fewer trained tokens: less work at the same tokens.
    _, dense = one(bench, "--shape", shape, "--length", 40, "--no-light", "--peak-tflops", 1)
    _, cut = one(bench, *options, "--peak-tflops", 1)

    def operations(row):
        return row["mfu"] * statistics.median(row["step_seconds"])

    assert operations(cut) < operations(dense)


@pytest.mark.parametrize("word, size", [("odd", 501), ("padded", 512), ("77", 77), (None, 500)])
def test_vocabularies(bench, shape, word, size):
    _, row = one(bench, "--shape", shape, "--length", 16, "--no-light", *(["--vocab", word] if word else []))
    assert row["vocab_size"] == size and row["vocab"] == (word or "500")


def test_a_profile_is_a_chrome_trace(bench, shape, tmp_path):
    trace = tmp_path / "trace.json"
    _, row = one(bench, "--shape", shape, "--length", 16, "--no-light", "--profile", trace)
    assert json.loads(trace.read_text())["traceEvents"]
    assert row["phases"] == {}  # those of a GPU


@pytest.mark.parametrize("options, message", [
    (["--shape", "8b"], "--shape 8b: neither a shape (7b, 1b, mistral-7b) nor a config.json that exists"),
    (["--shape", "mistral7b"], "did you mean 'mistral-7b'?"),
    (["--policy", "checkpiont"], "did you mean 'checkpoint'?"),
    (["--optimizer", "adam"], "adam"),
    (["--vocab", "even"], "--vocab even: expected odd, padded or a number from 2 to 16777216"),
    (["--rows", "0"], "--rows 0: expected 1 to 65536"),
    (["--length", "8", "--documents", "9"], "--documents is more than --length has tokens"),
    (["--budget-gib", "4"], "--budget-gib goes with --policy auto"),
    (["--budget-gib", "-1", "--policy", "auto"], "--budget-gib: expected a number above 0"),
    (["--devices", "0,1"], "--devices 0,1: a bench has one device"),
    (["--dtype", "float16"], "--dtype float16: training is in float32 or bfloat16"),
    (["--sweep", "--rows", "2"], "--rows does not go with --sweep"),
])
def test_mistakes_are_named(bench, options, message):
    done, rows = bench(*options, code=2)
    assert message in done.stderr and rows is None


def test_all_mistakes_come_at_once(bench):
    done, _ = bench("--rows", 0, "--steps", 0, "--policy", "all", code=2)
    for option in ("--rows", "--steps", "--policy"):
        assert option in done.stderr


def test_a_shape_that_is_damaged_cannot_be_loaded(bench, shape):
    shape.write_text("{")
    done, _ = bench("--shape", shape, code=4)
    assert str(shape) in done.stderr


def test_results_that_cannot_be_written_are_a_failure(programs, shape, tmp_path):
    done = subprocess.run([programs / "fg-bench", "--devices", "cpu", "--shape", shape, "--length", "16", "--steps", "1",
                           "--no-light", "--json", tmp_path / "missing" / "rows.json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 5 and "rows.json" in done.stderr
