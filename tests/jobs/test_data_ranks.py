"""Several processes that prepare the same data at once, as the ranks of a job do."""

import os
import signal
import subprocess
import time

import pytest

from train_fixtures import DATA


@pytest.fixture
def start(programs, chat_model, tmp_path):
    """start(cache, **environment) -> a process that packs the bundled conversations."""
    lines = (DATA / "train.jsonl").read_text()
    data = tmp_path / "data.jsonl"
    data.write_text(lines * 4)
    words = [programs / "fg-data", "stats", "-M", chat_model, "--data", data, "--seq-len", "512"]

    def begin(cache, **environment):
        env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / cache)} | environment
        return subprocess.Popen([str(word) for word in words], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return begin


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("count", [2, 4])
def test_all_get_the_same_and_nothing_is_left_over(start, tmp_path, count):
    running = [start("cache") for _ in range(count)]
    told = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * count, told
    assert len({out for out, _ in told}) == 1
    [entry] = (tmp_path / "cache/fg").iterdir()
    alone = start("alone")
    alone.communicate(timeout=120)
    [other] = (tmp_path / "alone/fg").iterdir()
    assert entry.name == other.name and entry.read_bytes() == other.read_bytes()


def test_where_the_first_is_killed_the_next_one_works(start, tmp_path):
    first = start("cache", FG_FAIL="data.cache_written:sleep=60")
    folder = tmp_path / "cache/fg"
    deadline = time.monotonic() + 60
    while not folder.exists() or not any(".tmp-" in name for name in entries(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    others = [start("cache") for _ in range(2)]
    time.sleep(0.5)
    assert all(process.poll() is None for process in others), "they wait"
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=10)
    told = [process.communicate(timeout=120) for process in others]
    assert [process.returncode for process in others] == [0, 0], told
    assert any("waiting for another process" in err for _, err in told)
    assert [name.endswith(".tokens") for name in entries(folder)] == [True]
