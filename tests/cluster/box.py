"""A cluster in a box, for tests: scripts/cluster_in_a_box.sh as a Python object."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/cluster_in_a_box.sh"

# The hosts have one machine's cores; threads that spin would only slow both down.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "OMPI_MCA_mpi_yield_when_idle": "1"}


class Box:
    """Two hosts, in a folder with a short name (sockets lie below it)."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fg-box-", dir="/tmp"))

    def call(self, *words, check=True, env=None, **how):
        """One command of the script -> CompletedProcess."""
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 300,
               "stdin": subprocess.DEVNULL} | how
        done = subprocess.run([SCRIPT, *map(str, words)], env=self.environment(env), **how)
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *words, env=None, **how):
        """One command of the script, in a process group of its own -> Popen."""
        return subprocess.Popen([SCRIPT, *map(str, words)], env=self.environment(env),
                                start_new_session=True, stdin=subprocess.DEVNULL, **how)

    def environment(self, more=None):
        return os.environ | ENVIRONMENT | {"FG_BOX": str(self.folder)} | (more or {})

    def down(self):
        self.call("down")
        shutil.rmtree(self.folder, ignore_errors=True)

    def bytes(self):
        """What each host has sent since `up`: {"h1": bytes, "h2": bytes}; both ends must agree."""
        def counted():
            rows = [line.split() for line in self.call("bytes").stdout.splitlines()[1:]]
            sent = {host: int(out) for host, out, _, _, _ in rows}
            return sent if sent == {"h1": int(rows[1][3]), "h2": int(rows[0][3])} else None
        return until(counted, 10, "both ends of the wire to count the same")

    # What a box could leave behind.

    def namespaces(self):
        hashed = subprocess.run(["cksum"], input=f"{self.folder}\n", capture_output=True, text=True,
                                check=True).stdout.split()[0]
        folder = pathlib.Path("/run/netns")
        return sorted(each.name for each in folder.glob(f"*{hashed}*")) if folder.is_dir() else []

    def processes(self):
        """Command lines of processes that belong to this box."""
        mark = str(self.folder).encode()
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
                if mark in words or mark in (process / "environ").read_bytes():
                    found.append(words.replace(b"\0", b" ").decode())
            except OSError:
                pass  # it has ended
        return found

    def processes_on(self, host, program):
        """Numbers of the processes on a host that run this program."""
        namespace = os.stat(next(f"/run/netns/{name}" for name in self.namespaces() if name.endswith(host)))
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (os.stat(process / "ns/net").st_ino == namespace.st_ino
                        and os.readlink(process / "exe") == str(program)):
                    found.append(int(process.name))
            except OSError:
                pass  # it has ended
        return found

    def mounts(self):
        lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.folder) in line]

    # Jobs.

    def submit(self, script, *words, options=(), env=None, cwd=None):
        """sbatch -> the job's number."""
        done = self.call("sbatch", "--parsable", *options, script, *words, env=env, cwd=cwd)
        return int(done.stdout.split(";")[0])

    def job(self, number):
        """What scontrol knows of a job: {"JobState": …, "Restarts": …}."""
        text = self.call("scontrol", "-o", "show", "job", number).stdout
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def wait_for(self, number, states=("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL"), seconds=180):
        """Until the job is in one of these states -> what scontrol knows of it."""
        def there():
            job = self.job(number)
            return job if job["JobState"] in states else None
        return until(there, seconds, f"job {number} to be one of {states}")


def until(there, seconds, what, pause=0.1):
    """Asks until the answer is true -> the answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = there()
        if answer:
            return answer
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s for {what}")


def kill_group(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
