"""Fixtures of the tests on two hosts (scripts/cluster_in_a_box.sh). They need root, the right to make network
namespaces, and Slurm: what is missing is the reason of the skip, with the tag [netns] or [slurm]."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from box import SCRIPT, Box  # noqa: E402


@pytest.fixture(scope="session")
def able():
    """Skips where this machine cannot build a box."""
    done = subprocess.run([SCRIPT, "probe"], capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip().removeprefix("cluster_in_a_box: "))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def new_box(able):
    """A box that is not up yet, and is gone after the test."""
    box = Box()
    yield box
    box.down()


@pytest.fixture(scope="module")
def box(able):
    """A box that is up, one for all tests of a file."""
    box = Box()
    try:
        box.call("up")
        yield box
    finally:
        box.down()
