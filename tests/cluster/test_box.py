"""scripts/cluster_in_a_box.sh itself: it stands, it counts whole frames, and it leaves nothing behind."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest

from box import SCRIPT, kill_group, until

HOSTS_FILE = pathlib.Path("/etc/hosts")


def machine():
    """What a box must not change."""
    words = [["ip", "-o", "link"], ["tc", "qdisc", "show"]]
    return [HOSTS_FILE.read_text(), os.uname().nodename,
            *(subprocess.run(each, capture_output=True, check=True).stdout for each in words)]


def assert_nothing_is_left(box):
    assert box.namespaces() == [] and box.mounts() == []
    until(lambda: not box.processes(), 5, f"the end of {box.processes()}")
    assert not box.folder.exists()


def test_up_and_down_leave_nothing_twice_in_a_row(new_box):
    before = machine()
    for _ in range(2):
        new_box.call("up")
        assert len(new_box.namespaces()) == 2
        assert new_box.call("status").stdout.count("idle") == 2
        assert machine() == before
        new_box.call("down")
        assert_nothing_is_left(new_box)
    assert new_box.call("down").returncode == 0
    assert new_box.call("status", check=False).returncode == 1


@pytest.mark.parametrize("reached", ["hosts", "slurm.conf", "munged.pid", "slurmctld.pid"])
def test_after_a_killed_up_down_leaves_nothing(new_box, reached):
    up = new_box.start("up", stdout=subprocess.DEVNULL)
    until(lambda: (new_box.folder / reached).exists(), 20, reached, pause=0.005)
    kill_group(up)
    assert new_box.call("status", check=False).returncode == 1
    new_box.call("down")
    assert_nothing_is_left(new_box)


def test_up_again_mends_what_a_killed_up_left_and_then_changes_the_rate_alone(new_box):
    up = new_box.start("up", stdout=subprocess.DEVNULL)
    until(lambda: (new_box.folder / "slurmctld.pid").exists(), 20, "Slurm", pause=0.005)
    kill_group(up)
    new_box.call("up")
    counted = new_box.bytes()
    assert "already" in new_box.call("up", "--rate", "100mbit").stdout
    assert new_box.call("status").stdout.count("100Mbit") == 2
    assert all(new_box.bytes()[host] >= counted[host] > 0 for host in counted)


SEND = """
import socket, sys
with socket.create_connection(("h2", 7000)) as wire:
    wire.sendall(bytes(int(sys.argv[1])))
    wire.shutdown(socket.SHUT_WR)
    wire.recv(1)
"""
RECEIVE = """
import socket, sys
with socket.create_server(("h2", 7000)) as server:
    print("ready", flush=True)
    wire, _ = server.accept()
    while wire.recv(1 << 16):
        pass
    wire.close()
"""


def send(box, count):
    """Bytes from h1 to h2 over TCP -> seconds."""
    receiver = box.start("run", "h2", "python3", "-c", RECEIVE, stdout=subprocess.PIPE, text=True)
    assert receiver.stdout.readline() == "ready\n"
    begin = time.monotonic()
    box.call("run", "h1", "python3", "-c", SEND, count)
    assert receiver.wait(timeout=10) == 0
    return time.monotonic() - begin


def test_the_wire_has_its_rate_and_counts_whole_frames(new_box):
    if shutil.which("ethtool", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("[ethtool] without ethtool packets are counted before they are cut into frames")
    new_box.call("up", "--rate", "50mbit", "--no-slurm")
    before = new_box.bytes()
    payload = 10_000_000
    seconds = send(new_box, payload)
    after = new_box.bytes()

    assert seconds > payload / (50e6 / 8) * 0.95
    # As lib/schedule's Framing has it: 1448 bytes of payload in 1514; 66 back for at most every second one.
    frames = payload / 1448
    assert after["h1"] - before["h1"] == pytest.approx(frames * 1514, rel=0.01)
    assert 0 < after["h2"] - before["h2"] < frames / 2 * 66 * 1.1


def test_hosts_have_names_and_disks_of_their_own(new_box):
    new_box.call("up", "--no-slurm", "--gpu-each")
    for number, host in enumerate(("h1", "h2")):
        shown = new_box.call("run", host, "sh", "-c", "hostname; echo $CUDA_VISIBLE_DEVICES $FG_INTERFACE").stdout
        assert shown == f"{host}\n{number} 10.9.0.0/24\n"
        new_box.call("run", host, "sh", "-c", "hostname > $FG_BOX/local/name")
    for host in ("h1", "h2"):
        assert new_box.call("run", host, "cat", new_box.folder / "local/name").stdout == host + "\n"
    assert new_box.call("run", "h1", "sh", "-c", "exit 75", check=False).returncode == 75
    assert "--no-slurm" in new_box.call("sbatch", "x", check=False).stderr


@pytest.mark.parametrize("words, said", [
    ((), "what to do"), (("upp",), "unknown command 'upp'"), (("up", "--rat"), "unknown option '--rat'"),
    (("run", "h3", "true"), "no host 'h3'"), (("run", "h1"), "a host and a command")])
def test_mistakes_are_said(new_box, words, said):
    done = new_box.call(*words, check=False)
    assert done.returncode == 2 and said in done.stderr


def test_a_box_that_is_not_up_and_a_folder_of_others_are_said(new_box):
    done = new_box.call("run", "h1", "true", check=False)
    assert done.returncode == 1 and "no host h1" in done.stderr
    kept = new_box.folder / "kept"
    kept.write_text("")
    for command in ("up", "down"):
        done = new_box.call(command, check=False)
        assert done.returncode == 1 and "not made by this script" in done.stderr and kept.exists()
    kept.unlink()
    assert "as 1gbit" in new_box.call("up", "--no-slurm", "--rate", "fast", check=False).stderr


def without(tool, tmp_path):
    """Words that run a command where this tool is not there."""
    place = shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"', place]


@pytest.mark.parametrize("tool, tag", [("slurmctld", "slurm"), ("nsenter", "netns")])
def test_a_tool_that_is_missing_is_named(able, tool, tag, tmp_path):
    done = subprocess.run([*without(tool, tmp_path), SCRIPT, "probe"], capture_output=True, text=True)
    assert done.returncode == 77
    assert f"[{tag}] needs {tool}: scripts/bootstrap.sh --cluster" in done.stderr


def test_rights_that_are_missing_are_named(tmp_path):
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run([SCRIPT, "probe"], capture_output=True, text=True,
                          env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 77 and "[netns] needs root" in done.stderr


def test_a_machine_that_withholds_namespaces_says_so(able):
    done = subprocess.run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", SCRIPT, "probe"],
                          capture_output=True, text=True)
    assert done.returncode == 77 and "[netns] no right to make network namespaces here" in done.stderr
