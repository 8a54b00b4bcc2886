"""The job scripts of slurm/ under a real Slurm, as they are, with a stand-in for fg-train that leaves as it is
told: what is queued again, what is not, and that no other job suffers."""

import textwrap

import pytest

from box import until

# Each start takes the next word of $PLAN: a code to leave with, `kill`, `hold` until $FOLDER/go is there, or
# `save`: be asked by SIGUSR1, then leave with 75.
STAND_IN = textwrap.dedent(r"""
    #!/bin/bash
    own=PLAN_${SLURM_ARRAY_TASK_ID-}
    plan=(${!own-$PLAN})
    what=${plan[${SLURM_RESTART_COUNT:-0}]}
    said="rank $SLURM_PROCID of $SLURM_NTASKS on $(hostname), start ${SLURM_RESTART_COUNT:-0}"
    echo "$said: $what; $FG_CONFIG $FG_OUTPUT $*"
    case $what in
      save) trap 'echo "$said: saved"; exit 75' USR1 ;;
      kill) kill -9 $$ ;;
      hold) ;;
      *) exit $what ;;
    esac
    touch $FOLDER/ready-${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}-${SLURM_ARRAY_TASK_ID:-$SLURM_PROCID}
    for ((i = 0; i < 600; ++i)); do
      [ $what = save ] || [ ! -e $FOLDER/go ] || exit 0
      sleep 0.1
    done
    exit 3
    """).lstrip()


class Jobs:
    def __init__(self, box, root, folder):
        self.box, self.root, self.folder = box, root, folder
        (folder / "bin").mkdir()
        (folder / "bin/fg-train").write_text(STAND_IN)
        (folder / "bin/fg-train").chmod(0o755)

    def submit(self, script, plan, *words, options=(), **environment):
        environment = {"PLAN": plan, "FOLDER": str(self.folder), "FG_BIN": str(self.folder / "bin"),
                       "FG_ROOT": str(self.root)} | environment
        return self.box.submit(self.root / "slurm" / script, *words, options=options, env=environment,
                               cwd=self.folder)

    def wait_ready(self, job, ranks=1):
        files = [self.folder / f"ready-{job}-{rank}" for rank in range(ranks)]
        until(lambda: all(file.exists() for file in files), 120, f"{files}")

    def ask_to_save(self, job):
        """What --signal=B:USR1@… does before the time is up: the script alone gets the signal."""
        self.box.call("scancel", "--batch", "--signal=USR1", job)

    def log(self, name):
        return (self.folder / name).read_text()


@pytest.fixture(scope="module")
def jobs(box, root, tmp_path_factory):
    return Jobs(box, root, tmp_path_factory.mktemp("jobs"))


SCRIPTS = ("train", "samantha_pp", "samantha_ddp")


# Jobs run side by side; each waits some seconds before it starts again.
@pytest.fixture(scope="module")
def submitted(jobs):
    numbers = {
        # Of a minute, so Slurm finds at its next look (every 30 s) that less than the 300 s of --signal are left.
        **{f"short {script}": jobs.submit(f"{script}.sbatch", "save 0", options=["--time=1"]) for script in SCRIPTS},
        "pipeline": jobs.submit("samantha_pp.sbatch", "save 0", "--set", "a.b=c d", FG_OUTPUT="run"),
        "lost": jobs.submit("samantha_ddp.sbatch", "8 kill 139", FG_MAX_LOST="2"),
        "lost, saved, lost": jobs.submit("train.sbatch", "8 75 8 0", FG_MAX_LOST="1"),
        # Of the tasks the one whose own number is the array's is the last.
        "sweep": jobs.submit("array.sbatch", "hold", "my.yaml", "--epochs", "1", FG_OUTPUT="sweep",
                             FG_LRS="1e-4 3e-4", FG_SEEDS="7 8", PLAN_3="save 0"),
        "mistake": jobs.submit("train.sbatch", "2"),
        "no programs": jobs.submit("train.sbatch", "0", FG_BIN="/nowhere"),
        "no project": jobs.submit("train.sbatch", "0", FG_ROOT="/nowhere"),
        "no folder": jobs.submit("array.sbatch", "0", options=["--array=0"], FG_OUTPUT=""),
        "no such task": jobs.submit("array.sbatch", "0", options=["--array=7"], FG_OUTPUT="x"),
    }
    jobs.wait_ready(numbers["pipeline"], ranks=2)
    jobs.ask_to_save(numbers["pipeline"])
    jobs.wait_ready(numbers["sweep"], ranks=4)
    jobs.ask_to_save(f"{numbers['sweep']}_3")
    return numbers


def test_a_saved_job_is_queued_again_and_its_line_goes_on(jobs, submitted):
    job = jobs.box.wait_for(submitted["pipeline"])
    assert (job["JobState"], job["Restarts"], job["ExitCode"]) == ("COMPLETED", "1", "0:0")
    log = jobs.log(f"samantha-pp-{submitted['pipeline']}.log")
    for start in ("0: save", "1: 0"):
        for rank in (0, 1):
            assert f"rank {rank} of 2 on h{rank + 1}, start {start}; " in log
    assert log.count("2gpu_pp.yaml run --set a.b=c d\n") == 4
    assert log.count(": saved\n") == 2 and "code 75, saved before the end: queued again" in log


def test_a_job_that_loses_ranks_is_queued_again_so_often_and_no_more(jobs, submitted):
    job = jobs.box.wait_for(submitted["lost"])
    log = jobs.log(f"samantha-ddp-{submitted['lost']}.log")
    assert (job["JobState"], job["Restarts"], job["ExitCode"]) == ("FAILED", "2", "139:0"), log
    assert "code 8, a rank was lost: queued again" in log and "code 137, a rank was lost" in log
    assert "lost for the 3. time in a row: not queued again" in log and "llama3_1b/ddp.yaml" in log


def test_a_save_ends_the_row_of_losses(jobs, submitted):
    job = jobs.box.wait_for(submitted["lost, saved, lost"])
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "3")


@pytest.mark.parametrize("script", SCRIPTS)
def test_slurm_asks_to_save_ahead_of_the_time_limit(jobs, submitted, script):
    job = jobs.box.wait_for(submitted[f"short {script}"])
    assert (job["JobState"], job["Restarts"], job["ExitCode"]) == ("COMPLETED", "1", "0:0")
    [log] = jobs.folder.glob(f"*-{submitted[f'short {script}']}.log")
    assert "saved before the end: queued again" in log.read_text()


def test_a_mistake_ends_the_job(jobs, submitted):
    job = jobs.box.wait_for(submitted["mistake"])
    assert (job["JobState"], job["Restarts"], job["ExitCode"]) == ("FAILED", "0", "2:0")


def test_a_task_of_a_sweep_is_queued_again_alone(jobs, submitted):
    number = submitted["sweep"]
    assert jobs.box.wait_for(f"{number}_3")["Restarts"] == "1"
    (jobs.folder / "go").touch()
    for task in range(3):
        job = jobs.box.wait_for(f"{number}_{task}")
        assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "0")
    log = jobs.log(f"fg-sweep-{number}_2.log")
    assert "sweep/lr-3e-4-seed-7 my.yaml --epochs 1 --lr 3e-4 --set train.seed=7" in log


@pytest.mark.parametrize("what, said", [
    ("no programs", "build first, or set FG_BIN"), ("no project", "set FG_ROOT"),
    ("no folder", "FG_OUTPUT must"), ("no such task", "2 rates and 2 seeds make 4 runs")])
def test_what_is_missing_is_said(jobs, submitted, what, said):
    job = jobs.box.wait_for(submitted[what])
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "2:0")
    assert any(said in log.read_text() for log in jobs.folder.glob(f"*-{submitted[what]}*.log"))
