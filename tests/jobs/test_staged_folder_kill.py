"""A staged folder is whole or not there, whatever system call its writer dies in: the n-th call of each
kind is made to kill it, for every n until a run comes through."""

import re
import shutil
import subprocess

import pytest

# Each call, and those that a run makes in at least one way.
CALLS = ["openat", "pwrite64", "write", "fsync", "fallocate,ftruncate", "close", "mkdir", "flock",
         "rename,renameat2", "unlink,unlinkat,rmdir"]  # fmt: skip


@pytest.fixture
def tool(drivers):
    return str(drivers / "hdf5_tool")


@pytest.fixture(autouse=True)
def needs_strace():
    works = shutil.which("strace") and not subprocess.run(
        ["strace", "-o", "/dev/null", "true"], capture_output=True
    ).returncode
    if not works:
        pytest.skip("[strace] strace is not installed or may not trace")


def run(*words, timeout=60):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=timeout)


def stage(tool, target, word, inject=(), trace="/dev/null"):
    options = [word for rule in inject for word in ("-e", f"inject={rule}")]
    traced = ",".join(CALLS)
    return run("strace", "-f", "-o", trace, "-e", f"trace={traced}", *options, tool, "stage", target, word,
               "overwrite")  # fmt: skip


def assert_whole(tool, target, words):
    """The target verifies, and is one of these; None among them allows that it is absent."""
    if not target.exists():
        assert None in words, "the target is gone"
        return
    done = run(tool, "verify", target)
    assert done.returncode == 0, done.stderr
    config = (target / "config.json").read_text()
    assert config in [f'{{"word": "{word}"}}\n' for word in words if word]
    assert (target / "manifest.json").exists() and (target / "model.h5").exists()


def assert_next_run_cleans_up(tool, target):
    done = run(tool, "stage", target, "next", "overwrite")
    assert done.returncode == 0, done.stderr
    assert_whole(tool, target, ["next"])
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]


def first_call(tool, folder, calls):
    """The number of the first of these calls that is made for the target and not to start a program."""
    folder.mkdir()
    stage(tool, folder / "model", "x", trace=folder / "trace")
    lines = (folder / "trace").read_text().splitlines()
    before = lines[: next(i for i, line in enumerate(lines) if "fg-lock" in line)]
    pattern = re.compile(r"^\d+ +(" + calls.replace(",", "|") + r")\(")
    return 1 + sum(bool(pattern.match(line)) for line in before)


def kill_at_every_call(tool, folder, calls, before):
    """Returns the number of kills."""
    begin = first_call(tool, folder / "first", calls)
    for n in range(begin, begin + 400):
        place = folder / f"{n}"
        place.mkdir(parents=True)
        target = place / "model"
        if before:
            assert run(tool, "stage", target, before).returncode == 0
        done = stage(tool, target, "new", [f"{calls}:signal=KILL:when={n}"])
        if done.returncode == 0:
            assert_whole(tool, target, ["new"])
            return n - begin
        assert_whole(tool, target, [before, "new"])
        assert_next_run_cleans_up(tool, target)
        shutil.rmtree(place)
    pytest.fail("the run never came through")


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("calls", CALLS)
def test_killed_at_every_call(tool, tmp_path, calls, before):
    assert kill_at_every_call(tool, tmp_path, calls, before) >= 1


def test_killed_where_the_file_system_cannot_exchange(tool, tmp_path):
    """As on NFS: between the two renames the target is absent, and the next run puts the old one back."""
    absent = 0
    for n in range(1, 10):
        place = tmp_path / str(n)
        place.mkdir()
        target = place / "model"
        run(tool, "stage", target, "old")
        done = stage(tool, target, "new",
                     ["renameat2:error=EINVAL", f"rename,unlink,unlinkat,rmdir:signal=KILL:when={n}"])  # fmt: skip
        if done.returncode == 0:
            assert_whole(tool, target, ["new"])
            assert absent == 1
            return
        if not target.exists():
            absent += 1
            refused = run(tool, "stage", target, "new")
            assert refused.returncode == 5 and "exists" in refused.stderr
            assert_whole(tool, target, ["old"])
        assert_whole(tool, target, ["old", "new"])
        assert_next_run_cleans_up(tool, target)
    pytest.fail("the run never came through")


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize(
    ("calls", "error"),
    [("pwrite64", "ENOSPC"), ("fallocate", "ENOSPC"), ("fsync", "EIO"), ("close", "EIO"), ("mkdir", "EACCES"),
     ("rename,renameat2", "EIO"), ("ftruncate", "EIO"), ("flock", "ENOLCK"), ("openat", "EMFILE")],
)  # fmt: skip
def test_failing_at_every_call(tool, tmp_path, calls, error, before):
    """The n-th call fails: the program says so with the path, exits 5, and leaves nothing behind."""
    begin = first_call(tool, tmp_path / "first", calls)
    for n in range(begin, begin + 400):
        place = tmp_path / f"{n}"
        place.mkdir()
        target = place / "model"
        if before:
            assert run(tool, "stage", target, before).returncode == 0
        trace = tmp_path / "trace"
        done = stage(tool, target, "new", [f"{calls}:error={error}:when={n}"], trace)
        assert done.returncode in (0, 5), done.stderr
        if done.returncode == 5:
            assert str(place) in done.stderr and done.stderr.count("\n") == 1, done.stderr
            left = {entry.name for entry in place.iterdir()} - {target.name}
            # Once the new one is in place, the old one waits for the next run if a sync failed.
            assert not left or before and '"new"' in (target / "config.json").read_text(), done.stderr
        assert_whole(tool, target, [before, "new"])
        if done.returncode == 0:
            assert_whole(tool, target, ["new"])
        assert_next_run_cleans_up(tool, target)
        shutil.rmtree(place)
        if "INJECTED" not in trace.read_text():
            assert n > begin
            return
    pytest.fail("the run never came through")


def test_everything_is_synced_before_the_rename_and_the_parent_after_it(tool, tmp_path):
    trace = tmp_path / "trace"
    place = tmp_path / "place"
    place.mkdir()
    target = place / "model"
    done = run("strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,write,pwrite64,rename,renameat2", tool,
               "stage", target, "word")  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = []
    for line in trace.read_text().splitlines():
        if found := re.search(r"(write|pwrite64|fsync)\(\d+<([^>]+)>", line):
            events.append((found[1], found[2]))
        elif str(target) + '"' in line and "rename" in line:
            events.append(("rename", str(target)))
    place_of_rename = events.index(("rename", str(target)))
    staged = next(path for _, path in events if ".tmp-" in path)
    staging = re.match(r".*\.tmp-[0-9a-f]{16}", staged)[0]
    written = {path for kind, path in events if kind != "fsync" and path.startswith(staging)}
    for path in written:
        last_write = max(i for i, event in enumerate(events) if event[0] != "fsync" and event[1] == path)
        assert last_write < place_of_rename
    # The manifest gets its name by a rename after it is written and synced.
    wanted = {f"{staging}/{name}" for name in ("model.h5", "config.json", "manifest.json")} | {staging}
    assert wanted <= {path for kind, path in events[:place_of_rename] if kind == "fsync"}
    assert ("fsync", str(place)) in events[place_of_rename:]
