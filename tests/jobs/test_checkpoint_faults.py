"""A save that dies or fails in whatever system call: the previous checkpoint is still whole and chosen, or
the new one is. The n-th call of each kind is made to kill the process, or to fail, for every n."""

import re
import shutil
import subprocess

import pytest

KILLED = ["openat", "pwrite64", "write", "fsync", "fallocate,ftruncate", "close", "mkdir", "fcntl,flock", "symlink",
          "rename,renameat,renameat2", "unlink,unlinkat,rmdir", "getdents64"]  # fmt: skip
FAILED = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fallocate", "ENOSPC"), ("fsync", "EIO"), ("close", "EIO"),
          ("mkdir", "EACCES"), ("rename,renameat,renameat2", "EIO"), ("ftruncate", "EIO"), ("fcntl,flock", "ENOLCK"),
          ("openat", "EMFILE"), ("unlink,unlinkat,rmdir", "EACCES"), ("symlink", "EROFS"), ("getdents64", "EIO"),
          ("statfs,fstatfs", "EIO")]  # fmt: skip
REASONS = {"ENOSPC": "No space left", "EIO": "Input/output error", "EACCES": "Permission denied",
           "EMFILE": "Too many open files", "EROFS": "Read-only file system",
           "ENOLCK": "No locks available"}  # fmt: skip


class Server:
    """checkpoint_tool serve: one process a save, which strace can be attached to."""

    def __init__(self, tool, errors):
        self.errors = errors
        self.process = subprocess.Popen([tool, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=errors.open("w"), text=True)  # fmt: skip

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def save(self, run, step, inject=None, trace="/dev/null"):
        """The save's exit code or negative signal, and what it said."""
        begin = self.errors.stat().st_size
        self.say(f"{run} {step}")
        pid = self.process.stdout.readline().strip()
        if inject:
            calls = inject.split(":")[0]
            strace = subprocess.Popen(
                ["strace", "-f", "-p", pid, "-o", trace, "-e", f"trace={calls}", "-e", f"inject={inject}"],
                stderr=subprocess.PIPE, text=True)  # fmt: skip
            line = strace.stderr.readline()
            if "attached" not in line:
                self.process.kill()
                pytest.skip(f"[strace] strace may not attach here: {line}")
        self.say("")
        code = int(self.process.stdout.readline())
        if inject:
            strace.communicate(timeout=60)
        return code, self.errors.read_text()[begin:]


@pytest.fixture(scope="module")
def tool(drivers):
    return drivers / "checkpoint_tool"


@pytest.fixture(scope="module")
def server(tool, tmp_path_factory):
    if shutil.which("strace") is None:
        pytest.skip("[strace] strace is not installed")
    errors = tmp_path_factory.mktemp("server") / "errors"
    made = Server(tool, errors)
    yield made
    made.process.stdin.close()
    made.process.wait(timeout=60)


@pytest.fixture(scope="module")
def before(tool, tmp_path_factory):
    """A run with checkpoints 1 and 2. Not to be changed."""
    run = tmp_path_factory.mktemp("before") / "run"
    subprocess.run([tool, "save-many", run, "1", "2"], check=True, timeout=60)
    (run / "config.json").write_text("{}")
    return run


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def whole_steps(tool, run):
    found = list((run / "checkpoints").glob("checkpoint-*"))
    assert all(re.fullmatch(r"checkpoint-\d+", path.name) for path in found), found
    done = subprocess.run([tool, "verify", *found], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return sorted(int(path.name.split("-")[1]) for path in found)


def assert_nothing_lost(tool, run):
    """Whatever has the name of a checkpoint is whole, and the last two are there."""
    steps = whole_steps(tool, run)
    assert steps in ([1, 2], [1, 2, 3], [2, 3]), steps
    return steps[-1]


def assert_next_save_cleans_up(server, run):
    code, said = server.save(run, 4)
    assert code == 0, said
    names = names_in(run / "checkpoints")
    assert names[-1] == "latest" and "checkpoint-4" in names, names
    assert all(re.fullmatch(r"checkpoint-\d+", name) for name in names[:-1]), names


def calls_to_hit(server, before, tmp_path, rule):
    """The numbers of the calls that an untouched save makes."""
    run = shutil.copytree(before, tmp_path / "untouched", symlinks=True)
    trace = tmp_path / "untouched-trace"
    code, said = server.save(run, 3, f"{rule}:when=60000", trace)
    assert code == 0, said
    count = sum("resumed" not in line and "(" in line for line in trace.read_text().splitlines())
    assert count > 0, "no such call was made"
    return range(1, count + 1)


def each_call(server, before, tmp_path, rule):
    """Yields (run, exit code, text) for saves of which one call is hit."""
    for n in calls_to_hit(server, before, tmp_path, rule):
        run = tmp_path / str(n)
        shutil.copytree(before, run, symlinks=True)
        trace = tmp_path / "trace"
        code, said = server.save(run, 3, f"{rule}:when={n}", trace)
        if "INJECTED" in trace.read_text() or code != 0:
            yield run, code, said
        shutil.rmtree(run)


@pytest.mark.parametrize("calls", KILLED)
def test_killed_at_every_call(tool, server, before, tmp_path, calls):
    killed = 0
    for run, code, said in each_call(server, before, tmp_path, f"{calls}:signal=KILL"):
        assert code == -9, said
        killed += 1
        assert_nothing_lost(tool, run)
        assert_next_save_cleans_up(server, run)
    assert killed, "no save was killed"


@pytest.mark.parametrize(("calls", "error"), FAILED)
def test_failed_at_every_call(tool, server, before, tmp_path, calls, error):
    hit = told = 0
    for run, code, said in each_call(server, before, tmp_path, f"{calls}:error={error}"):
        hit += 1
        assert code in (0, 5), said
        latest = assert_nothing_lost(tool, run)
        told += REASONS[error] in said or code != 0
        if code == 0:
            assert latest == 3
        else:
            # HDF5 does not always say why it could not use its file in memory.
            assert str(run) in said and (REASONS[error] in said or "HDF5 says" in said), said
        if "unlink" not in calls and "openat" != calls:
            staged = [name for name in names_in(run / "checkpoints") if name.startswith(".tmp-")]
            assert staged == [], said
        assert_next_save_cleans_up(server, run)
    assert hit, "no call failed"
    assert told or calls in ("close", "statfs,fstatfs"), "no failure was told"


def test_a_save_whose_rank_does_not_come_is_given_up_once(mpirun, drivers, chat_model, tmp_path):
    """Else rank 0 would be at its next meeting when the late one comes to this."""
    sleeps = 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then export FG_FAIL=save.after_weights:sleep=1.5; fi; exec "$@"'
    words = ["sh", "-c", sleeps, "sh", drivers / "run_tool", chat_model, tmp_path / "run", "1", "none", "impatient"]
    done = mpirun(2, words, timeout=60)
    assert done.returncode != 0
    assert "has not come to a meeting of all ranks" in done.stderr, done.stderr
    assert "another meeting" not in done.stderr


def test_the_parent_is_synced_after_the_rename_and_all_else_before(server, before, tmp_path):
    run = shutil.copytree(before, tmp_path / "run", symlinks=True)
    trace = tmp_path / "trace"
    # A rule that never comes true: the trace alone is wanted.
    code, said = server.save(run, 3, "fsync,renameat2,symlink,symlinkat:error=EIO:when=1000", trace)
    assert code == 0, said
    events = []
    for line in trace.read_text().splitlines():
        if "fsync(" in line:
            events.append("sync")
        elif "renameat2(" in line and "checkpoint-3" in line:
            events.append("rename")
        elif "symlink" in line:
            events.append("link")
    # Before it: the four files, the manifest and the folder; after it the parent, before the links,
    # whose making syncs the same folder.
    assert events.count("rename") == 1, events
    at = events.index("rename")
    assert at >= 6 and events[at + 1] == "sync", events
