"""scripts/launch.sh: mpirun over machines without a scheduler, started again where that helps."""

import os
import shutil
import signal
import subprocess
import textwrap

import pytest

from box import SCRIPT, until

# As in test_jobs.py; a start is counted on disk.
STAND_IN = textwrap.dedent(r"""
    #!/bin/bash
    start=$(cat $FOLDER/starts); start=${start:-1}
    plan=($PLAN)
    what=${plan[$start - 1]}
    echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE on $(hostname), start $start: $what; $FG_INTERFACE $*"
    if [ $what = save ]; then
      trap 'echo saved; exit 75' USR1
      touch $FOLDER/ready-$OMPI_COMM_WORLD_RANK
      for ((i = 0; i < 600; ++i)); do sleep 0.1; done
      exit 3
    fi
    # All ranks have read the count before the first one raises it.
    touch $FOLDER/here-$start-$OMPI_COMM_WORLD_RANK
    while [ $(ls $FOLDER/here-$start-* | wc -l) -lt $OMPI_COMM_WORLD_SIZE ]; do sleep 0.05; done
    echo $((start + 1)) > $FOLDER/starts.$OMPI_COMM_WORLD_RANK
    mv $FOLDER/starts.$OMPI_COMM_WORLD_RANK $FOLDER/starts
    [ $what != kill ] || kill -9 $$
    exit $what
    """).lstrip()


# In place of mpirun, where only the codes that it returns matter.
PLAIN = textwrap.dedent(r"""
    #!/bin/bash
    while [ "${1##*/}" != fg-train ]; do shift; done
    OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1 "$@"
    exit $?
    """).lstrip()


# Likewise, saved as soon as it is asked to.
AT_ONCE = textwrap.dedent(r"""
    #!/bin/bash
    trap 'exit 75' USR1
    touch $FOLDER/ready-0
    for ((i = 0; i < 600; ++i)); do sleep 0.05; done
    """).lstrip()


class Launch:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        (folder / "bin").mkdir()
        (folder / "bin/fg-train").write_text(STAND_IN)
        (folder / "bin/fg-train").chmod(0o755)
        (folder / "plain").mkdir()
        (folder / "plain/mpirun").write_text(PLAIN)
        (folder / "plain/mpirun").chmod(0o755)
        (folder / "starts").write_text("1")
        self.words = [root / "scripts/launch.sh"]
        self.environment = {"FOLDER": str(folder), "FG_BIN": str(folder / "bin"), "FG_PAUSE_S": "0",
                            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def __call__(self, plan, *words, **environment):
        environment = {"PATH": f"{self.folder / 'plain'}:{os.environ['PATH']}"} | environment
        return subprocess.run([*map(str, self.words), *words], capture_output=True, text=True, timeout=60,
                              env=os.environ | self.environment | {"PLAN": plan} | environment)


@pytest.fixture
def launch(root, mpirun, tmp_path):
    return Launch(root, tmp_path)


def test_a_saved_run_is_started_again(launch):
    done = launch("75 0", "my.yaml", "--set", "a.b=c d")
    assert done.returncode == 0, done.stderr
    assert "start 1: 75;  my.yaml --set a.b=c d" in done.stdout and "start 2: 0;" in done.stdout
    assert "saved before the end (75): starting again" in done.stderr


def test_losses_in_a_row_have_an_end(launch):
    done = launch("8 75 205 1 0", "--restarts", "1", "my.yaml")
    assert done.returncode == 1
    assert "start 4" in done.stdout and "for the 2. time in a row: giving up" in done.stderr


def test_other_codes_end_it(launch):
    done = launch("2 0")
    assert done.returncode == 2 and "start 2" not in done.stdout


def test_asked_to_save_it_leaves_with_75(launch):
    running = subprocess.Popen([str(word) for word in launch.words], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               env=os.environ | launch.environment | {"PLAN": "save 0"})
    until(lambda: (launch.folder / "ready-0").exists(), 30, "the run")
    running.send_signal(signal.SIGUSR1)
    assert running.wait(timeout=30) == 75


def test_a_launcher_that_ends_while_it_is_told_to_save_keeps_its_code(launch):
    """It ends while the script is still in its trap, held there for half a second."""
    if shutil.which("strace") is None:
        pytest.skip("[strace] strace is not installed")
    (launch.folder / "plain/mpirun").write_text(AT_ONCE)
    words = ["strace", "-D", "-o", launch.folder / "trace", "-e", "trace=kill", "-e",
             "inject=kill:delay_exit=500000", *launch.words]  # fmt: skip
    environment = {"PATH": f"{launch.folder / 'plain'}:{os.environ['PATH']}"}
    running = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True,
                               env=os.environ | launch.environment | environment)
    until(lambda: (launch.folder / "ready-0").exists() or running.poll() is not None, 30, "the run")
    if running.poll() is not None:
        pytest.skip(f"[strace] strace may not trace here: {running.stderr.read()}")
    running.send_signal(signal.SIGUSR1)
    assert running.wait(timeout=30) == 75


@pytest.mark.parametrize("words, said", [
    (["--hostfile"], "wants a value"), (["-np", "two"], "not 'two'"), (["--restarts", "-1"], "not '-1'"),
    (["--hostfile", "/nowhere"], "cannot read the hostfile /nowhere")])
def test_mistakes_are_said(launch, words, said):
    done = launch("0", *words)
    assert done.returncode == 2 and said in done.stderr


@pytest.fixture
def showing(tmp_path):
    """PATH with an mpirun that shows what it is given."""
    (tmp_path / "mpirun").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "mpirun").chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_what_the_other_machines_must_know_goes_along(launch, showing, tmp_path):
    (tmp_path / "hosts").write_text("h1 max_slots=4 slots=2\nh2 max_slots=3\n")
    done = launch("0", "--hostfile", tmp_path / "hosts", PATH=showing, FG_START_TIMEOUT="60", NCCL_DEBUG="INFO")
    assert done.stdout.startswith("-np 3 ")
    assert " -x FG_START_TIMEOUT " in done.stdout and " -x NCCL_DEBUG " in done.stdout


def test_a_hostfile_names_machines_and_the_interface_goes_along(launch, box):
    hostfile = launch.folder / "hosts.txt"
    hostfile.write_text("# two machines\nh1 slots=2  # two GPUs\n\nh2\n")
    done = box.call("run", "h1", *launch.words, "--hostfile", hostfile, "--interface", "10.9.0.0/24", "my.yaml",
                    env=launch.environment | {"PLAN": "0", "OMPI_MCA_plm_rsh_agent": f"{SCRIPT} agent"})
    assert sorted(done.stdout.splitlines()) == [
        f"rank {rank} of 3 on {host}, start 1: 0; 10.9.0.0/24 my.yaml" for rank, host in enumerate(("h1", "h1", "h2"))]


@pytest.mark.parametrize("name, ranks", [("two_boxes", 2), ("mixed", 3)])
def test_the_hostfiles_that_come_along_are_read(launch, root, name, ranks, showing):
    done = launch("0", "--hostfile", root / f"configs/hostfiles/{name}.txt",
                  PATH=showing)
    assert done.stdout.startswith(f"-np {ranks} --bind-to none --hostfile ")
