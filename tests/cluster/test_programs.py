"""Our programs on two hosts, started by Slurm's srun and by Open MPI's mpirun."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def model(root, tmp_path_factory):
    """A model of three shards, so that both ranks have something to do."""
    folder = tmp_path_factory.mktemp("model") / "source"
    subprocess.run([sys.executable, root / "scripts/make_model.py", folder, "--max-shard-size", "150000"],
                   check=True, stdout=subprocess.DEVNULL)
    return folder


def contents(folder):
    return {each.name: each.read_bytes() for each in folder.iterdir()}


# As the job scripts start them: --wait, since srun leaves the others alone when a rank is killed.
STARTS = {"srun": ["srun", "--nodes=2", "--ntasks=2", "--mpi=pmix", "--kill-on-bad-exit=0", "--wait=3"],
          "mpirun": ["mpirun", "-np", "2"]}


@pytest.fixture(params=STARTS)
def start(request):
    return STARTS[request.param]


def test_ranks_are_on_both_hosts(box, start):
    assert sorted(box.call(*start, "hostname").stdout.split()) == ["h1", "h2"]


def test_two_hosts_convert_to_the_bytes_of_one(box, programs, model, start, tmp_path):
    def words(target):
        return [programs / "fg-convert", model, tmp_path / target, "--format", "bin",
                "--max-shard-size", "150000", "--verify"]

    subprocess.run([str(word) for word in words("alone")], check=True, capture_output=True)
    before = box.bytes()
    box.call(*start, *words("both"))
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    assert all(box.bytes()[host] - before[host] > 1000 for host in before)


def test_a_mistake_is_said_and_leaves_with_its_code(box, programs, start, tmp_path):
    done = box.call(*start, programs / "fg-convert", tmp_path / "nothing", tmp_path / "target", check=False)
    assert done.returncode == 4 and "nothing: no such folder" in done.stderr


def test_a_killed_rank_ends_the_job(box, programs, model, start, tmp_path):
    done = box.call(*start, programs / "fg-convert", model, tmp_path / "target", check=False,
                    timeout=60, env={"FG_FAIL": "convert.after_shard:kill"})
    assert done.returncode in (8, 137), done.stderr
    assert not (tmp_path / "target").exists()
