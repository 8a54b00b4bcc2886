"""Our metrics and event files, opened by the programs people open them with."""

import csv
import json
import struct
import subprocess

import pytest


@pytest.fixture
def write_run(drivers, tmp_path):
    """write_run(first, last[, resumed_at]) writes a run, or a part of one; returns its folder."""

    def write(*numbers):
        command = [drivers / "log_tool", tmp_path, *map(str, numbers)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return tmp_path

    return write


@pytest.fixture
def open_events():
    """open_events(folder) -> tensorboard's EventAccumulator of the folder, loaded."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="[hf] no tensorboard")

    def load(folder):
        events = accumulator.EventAccumulator(str(folder / "tb"))
        return events.Reload()

    return load


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_scalars_have_their_tags_steps_and_values(write_run, open_events):
    events = open_events(write_run(1, 12))

    tags = set(events.Tags()["scalars"])
    assert {"train/loss", "train/grad_norm", "train/lr", "train/tokens_per_second", "eval/loss",
            "eval/perplexity"} <= tags
    assert scalars(events, "train/loss") == [(step, step) for step in range(1, 13)]
    assert scalars(events, "train/lr")[0][1] == pytest.approx(1e-5)
    assert scalars(events, "eval/perplexity") == [(10, pytest.approx(7.389))]
    wall = [event.wall_time for event in events.Scalars("train/loss")]
    assert wall == sorted(wall) and wall[0] > 1.7e9


def test_samples_are_texts_of_the_text_plugin(write_run, open_events):
    events = open_events(write_run(1, 10))

    assert "samples/0" in events.Tags()["tensors"]
    assert events.SummaryMetadata("samples/0").plugin_data.plugin_name == "text"
    (event,) = events.Tensors("samples/0")
    assert event.step == 10
    assert list(event.tensor_proto.tensor_shape.dim)[0].size == 1
    assert event.tensor_proto.string_val[0].decode() == (
        "    # not a heading\n    my name is <b>Samantha</b>, été\n    ")


def test_a_resumed_run_hides_what_the_broken_one_did_beyond_its_checkpoint(write_run, open_events):
    write_run(1, 20)
    folder = write_run(14, 15, 13)

    events = open_events(folder)

    # Without the START at step 14, steps 16 to 20 and the evaluation at 20 would stay.
    assert scalars(events, "train/loss") == [(step, step) for step in range(1, 16)]
    assert [step for step, _ in scalars(events, "eval/loss")] == [10]


def test_samples_of_the_broken_run_are_hidden_too(write_run):
    """By the accumulator of the TensorBoard program itself, which keeps all as tensors; the other
    one never purges those."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.plugin_event_accumulator", reason="[hf] no tensorboard")
    write_run(1, 20)
    folder = write_run(14, 15, 13)

    events = accumulator.EventAccumulator(str(folder / "tb")).Reload()

    assert [event.step for event in events.Tensors("samples/0")] == [10]
    assert [event.step for event in events.Tensors("train/loss")] == [*range(1, 16)]


def test_tensorboard_checks_every_byte_we_frame(write_run, tmp_path):
    """Reads the records as TensorFlow does, checks included, with tensorboard's own crc32c."""
    crc = pytest.importorskip("tensorboard.summary.writer.record_writer", reason="[hf] no tensorboard")
    write_run(1, 10)
    (path,) = (tmp_path / "tb").iterdir()
    data = path.read_bytes()
    messages = 0
    while data:
        length = data[:8]
        (size,) = struct.unpack("<Q", length)
        message = data[12:12 + size]
        assert data[8:12] == struct.pack("<I", crc.masked_crc32c(length))
        assert data[12 + size:16 + size] == struct.pack("<I", crc.masked_crc32c(message))
        data = data[16 + size:]
        messages += 1
    assert messages == 2 + 10 * 7 + 2 + 1


def test_both_metrics_files_have_the_same_rows(write_run):
    write_run(1, 20)
    folder = write_run(14, 15, 13)

    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [record["step"] for record in records] == [*range(1, 11), 10, *range(11, 16)]
    assert len(rows) == len(records)
    for record, row in zip(records, rows):
        assert {key for key, value in row.items() if value} == set(record)
        for key, value in record.items():
            assert float(row[key]) == (max(value) if isinstance(value, list) else value)
