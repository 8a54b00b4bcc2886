"""slurm/convert.sbatch as a script: what it runs, and what it refuses. Slurm itself comes with the
training jobs; here PATH holds an `srun` that records its words, or none."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def submit(root, programs, tmp_path):
    def run(*words, srun=None):
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        if srun is not None:
            (tools / "srun").write_text("#!/bin/sh\n" + srun)
            (tools / "srun").chmod(0o755)
        environment = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}", "FG_BIN": str(programs),
            "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_NTASKS": "2",
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        return subprocess.run(
            ["bash", root / "slurm/convert.sbatch", *words], env=environment, cwd=tmp_path,
            capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def source(root, tmp_path):
    subprocess.run([sys.executable, root / "scripts/make_model.py", tmp_path / "source", "--hidden", "32"],
                   check=True, stdout=subprocess.DEVNULL)
    return tmp_path / "source"


def test_with_pmix_the_ranks_are_started_by_srun(submit, source, programs, tmp_path):
    record = 'if [ "$1" = --mpi=list ]; then echo "none pmix pmi2"; else echo "$@"; fi\n'
    done = submit(source, tmp_path / "target", "--verify", srun=record)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["--mpi=pmix", "--kill-on-bad-exit=0", "--wait=60", str(programs / "fg-convert"), str(source),
                                   str(tmp_path / "target"), "--verify"]


def test_without_pmix_mpirun_starts_them_inside_the_allocation(submit, source, tmp_path):
    done = submit(source, tmp_path / "target", "--verify", srun='echo "none pmi2"\n')

    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified" in done.stdout
    assert (tmp_path / "target/manifest.json").exists()


def test_missing_arguments_and_programs_are_said(submit, root, tmp_path):
    assert submit("only-one").returncode == 2
    done = subprocess.run(
        ["bash", root / "slurm/convert.sbatch", "a", "b"], capture_output=True, text=True,
        env=os.environ | {"FG_BIN": str(tmp_path), "SLURM_SUBMIT_DIR": str(tmp_path)}, timeout=60)
    assert done.returncode == 2 and "build first, or set FG_BIN" in done.stderr
