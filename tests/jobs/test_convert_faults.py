"""fg-convert with wrong input, a full disk, and killed at any moment: one clear message, the documented
exit code, the source untouched, and the target whole or absent."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest


def run(programs, *words, env=None, timeout=60):
    return subprocess.run(
        [str(word) for word in (programs / "fg-convert", *words)],
        capture_output=True, text=True, timeout=timeout, env=os.environ | (env or {}))


def hashes(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def small(root, tmp_path_factory):
    """A small model in three shards, made by the quick start's script. Not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "model"
    subprocess.run(
        [sys.executable, root / "scripts/make_model.py", folder, "--hidden", "64", "--layers", "2",
         "--max-shard-size", "150000"], check=True, stdout=subprocess.DEVNULL)
    assert len(list(folder.glob("*.safetensors"))) >= 3
    return folder


@pytest.fixture
def source(small, tmp_path):
    return shutil.copytree(small, tmp_path / "source")


def assert_refused(done, code, *parts):
    assert done.returncode == code, done.stdout + done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr
    assert done.stderr.count("error:") == 1, "one message"


def assert_nothing_left(tmp_path):
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(("target", ".target"))]
    assert [name for name in left if not name.endswith("lock")] == []


def test_missing_shards_name_the_first_one_and_the_remedies(programs, source, tmp_path):
    shards = sorted(source.glob("*.safetensors"))
    shards[1].unlink()
    shards[2].unlink()
    done = run(programs, source, tmp_path / "target")

    assert_refused(done, 4, shards[1].name)
    assert_nothing_left(tmp_path)


def test_missing_shards_with_the_complete_bin_set_beside_take_that_and_say_so(
        programs, source, tmp_path):
    torch = pytest.importorskip("torch", reason="[hf] torch is not installed")
    import safetensors.torch

    state = {}
    for shard in sorted(source.glob("*.safetensors")):
        state |= safetensors.torch.load_file(shard)
        shard.unlink()
    torch.save(state, source / "pytorch_model.bin")
    done = run(programs, source, tmp_path / "target", "--format", "safetensors")

    assert done.returncode == 0, done.stderr
    assert "pytorch_model.bin" in done.stdout and "missing" in done.stdout
    assert len(safetensors.torch.load_file(tmp_path / "target/model.safetensors")) == len(state)


def test_wrong_input_gets_one_message_and_its_code(programs, source, tmp_path, subtests=None):
    config = json.loads((source / "config.json").read_text())
    target = tmp_path / "target"

    def with_config(**changes):
        (source / "config.json").write_text(json.dumps(config | changes))

    with_config(architectures=["GPTNeoXForCausalLM"], model_type="gpt_neox")
    assert_refused(run(programs, source, target), 4, "config.json", "GPTNeoXForCausalLM")
    with_config(rope_scaling={"rope_type": "longrope", "factor": 2.0})
    assert_refused(run(programs, source, target), 4, "longrope")
    with_config(num_hidden_layers=3)
    assert_refused(run(programs, source, target), 4, "model.layers.2.")
    with_config(hidden_size=128)
    assert_refused(run(programs, source, target), 4, "model.embed_tokens.weight")
    (source / "config.json").write_text("{")
    assert_refused(run(programs, source, target), 4, "config.json")
    (source / "config.json").unlink()
    assert_refused(run(programs, source, target), 4, "config.json")
    assert_refused(run(programs, tmp_path / "nowhere", target), 4, "nowhere")
    assert_nothing_left(tmp_path)


def test_a_corrupt_shard_is_refused_by_name(programs, source, tmp_path):
    shard = sorted(source.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    assert_refused(run(programs, source, tmp_path / "target"), 4, shard.name)
    shard.write_bytes(b"\xff" * 1000)
    assert_refused(run(programs, source, tmp_path / "target"), 4, shard.name)
    assert_nothing_left(tmp_path)


def test_a_damaged_fg_folder_is_refused_by_the_file(programs, source, tmp_path):
    assert run(programs, source, tmp_path / "fg").returncode == 0
    weights = tmp_path / "fg/model.h5"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert_refused(run(programs, tmp_path / "fg", tmp_path / "target"), 4, "model.h5")
    (tmp_path / "fg/manifest.json").unlink()
    assert_refused(run(programs, tmp_path / "fg", tmp_path / "target"), 4, "manifest.json")
    assert_nothing_left(tmp_path)


def test_an_existing_target_is_kept_unless_overwrite_is_asked(programs, source, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine.txt").write_text("precious")
    assert_refused(run(programs, source, target), 5, "target", "--overwrite")
    assert (target / "mine.txt").read_text() == "precious"

    assert run(programs, source, target, "--overwrite").returncode == 0
    assert not (target / "mine.txt").exists() and (target / "manifest.json").exists()


def test_the_source_is_no_target(programs, source):
    before = hashes(source)
    assert_refused(run(programs, source, source, "--overwrite"), 2, "source")
    assert_refused(run(programs, source, source / "inside"), 2, "source")
    assert hashes(source) == before


def test_a_bad_yaml_key_is_named_with_file_line_and_the_nearest(programs, source, tmp_path):
    (tmp_path / "tokens.yaml").write_text("# tokens\neos_tokn: \"<|im_end|>\"\n")
    done = run(programs, source, tmp_path / "target", "--add-tokens", tmp_path / "tokens.yaml")
    assert_refused(done, 2, "tokens.yaml:2:", "'eos_tokn'", "did you mean 'eos_token'")

    done = run(programs, source, tmp_path / "target", "-t", tmp_path / "none.jinja")
    assert_refused(done, 2, "none.jinja")
    (tmp_path / "bad.jinja").write_text("{% for m in messages %}\n{{ m.content }")
    done = run(programs, source, tmp_path / "target", "-t", tmp_path / "bad.jinja")
    assert_refused(done, 2, "bad.jinja", "2")
    assert_nothing_left(tmp_path)


def test_every_mistake_of_a_command_line_is_listed_at_once(programs):
    done = run(programs, "a", "b", "--dtyp", "float16", "--overwrit")
    assert_refused(done, 2, "'--dtyp'; did you mean '--dtype'", "'--overwrit'; did you mean")
    assert_refused(run(programs, "a", "b", "c", "d"), 2, "too many: 'c'", "too many: 'd'")
    done = run(programs, "a", "--dtype", "int8", "--format", "zip", "--max-shard-size", "big")
    assert_refused(done, 2, "--dtype int8", "--format zip", "--max-shard-size big", "DST")


def test_help_and_version_say_what_there_is(programs):
    done = run(programs, "--help")
    assert done.returncode == 0
    for option in ("--dtype", "--add-tokens", "--chat-template", "--skip-default-tokens", "--format",
                   "--max-shard-size", "--pad-vocab-to", "--verify", "--overwrite", "--dry-run"):
        assert option in done.stdout
    assert "9 ranks disagree" in done.stdout and "75 saved" not in done.stdout
    done = run(programs, "--version")
    assert done.returncode == 0
    for part in ("fg-convert 0.", "commit", "Open MPI", "HDF5"):
        assert part in done.stdout


def test_a_dry_run_tells_and_writes_nothing(programs, source, tmp_path):
    done = run(programs, source, tmp_path / "target", "--dry-run")
    assert done.returncode == 0 and "dry run" in done.stdout
    assert_nothing_left(tmp_path)


def mount_small_disk(folder, size):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("[mount] no right to mount a small disk here: " + done.stderr.strip())


def test_a_disk_without_room_is_refused_with_both_numbers(programs, source, tmp_path):
    disk = tmp_path / "disk"
    mount_small_disk(disk, "2m")
    try:
        before = hashes(source)
        assert_refused(run(programs, source, disk / "target"), 5, "disk")
        assert list(path for path in disk.iterdir() if not path.name.endswith("lock")) == []
        assert hashes(source) == before
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("call", ["pwrite64", "fsync"])
def test_a_failing_call_leaves_nothing(programs, source, tmp_path, call):
    if shutil.which("strace") is None:
        pytest.skip("[strace] strace is not installed")
    for number in (1, 2, 5):
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
             "-e", f"inject={call}:error=ENOSPC:when={number}",
             programs / "fg-convert", source, tmp_path / "target"],
            capture_output=True, text=True, timeout=60)
        assert_refused(done, 5, "No space left")
        assert_nothing_left(tmp_path)


def is_whole(target):
    if not target.exists():
        return False
    manifest = json.loads((target / "manifest.json").read_text())
    for name, record in manifest["files"].items():
        assert (target / name).stat().st_size == record["size"], name
    return True


FAILPOINTS = ["file.create", "file.write", "convert.piece", "convert.after_shard", "file.sync",
              "stage.before_sync", "stage.before_rename", "stage.after_rename"]


@pytest.mark.parametrize("point", FAILPOINTS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_leaves_the_target_absent_old_or_new_and_whole(
        programs, source, tmp_path, point, overwrite):
    target = tmp_path / "target"
    options = ["--max-shard-size", "150KB"]
    old = {}
    if overwrite:
        assert run(programs, source, target, "--dtype", "float32", *options).returncode == 0
        old = hashes(target)
        options.append("--overwrite")
    before = hashes(source)

    done = run(programs, source, target, *options, env={"FG_FAIL": f"{point}:kill"})
    assert done.returncode != 0
    assert hashes(source) == before
    if point == "stage.after_rename":
        assert is_whole(target) and hashes(target) != old
    elif overwrite:
        assert hashes(target) == old
    else:
        assert not target.exists()

    again = run(programs, source, target, "--max-shard-size", "150KB", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert is_whole(target)
    left = [path.name for path in tmp_path.iterdir() if "target." in path.name]
    assert [name for name in left if not name.endswith("lock")] == [], "the next run cleans up"


def test_one_killed_rank_ends_the_job_and_leaves_nothing_for_long(programs, mpirun, source, tmp_path):
    begin = time.monotonic()
    done = mpirun(2, [programs / "fg-convert", source, tmp_path / "target", "--max-shard-size", "150KB"],
                  env=os.environ | {"FG_FAIL": "convert.after_shard:kill"}, timeout=60)
    assert done.returncode != 0
    assert time.monotonic() - begin < 20
    assert not (tmp_path / "target").exists()
    assert run(programs, source, tmp_path / "target").returncode == 0
    assert [path.name for path in tmp_path.iterdir() if ".tmp-" in path.name] == []


def test_one_failing_rank_speaks_and_all_leave_with_its_code(programs, mpirun, source, tmp_path):
    done = mpirun(3, [programs / "fg-convert", source, tmp_path / "target", "--max-shard-size", "150KB"],
                  env=os.environ | {"FG_FAIL": "convert.after_shard:throw"}, timeout=60)
    assert done.returncode == 5
    assert "failpoint convert.after_shard reached" in done.stderr
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_it_and_removes_what_was_begun(programs, source, tmp_path, number, code):
    process = subprocess.Popen(
        [programs / "fg-convert", source, tmp_path / "target"], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, env=os.environ | {"FG_FAIL": "convert.piece:sleep=3"})
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("target.tmp-*")) and not list(tmp_path.glob(".target.tmp-*")):
        assert time.monotonic() < deadline, "no temporary folder appeared"
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(timeout=20) == code, process.stderr.read()
    assert_nothing_left(tmp_path)
