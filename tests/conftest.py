"""Fixtures for all tests in Python. No test knows a path outside the project: what lies elsewhere is
named by the environment (FG_BIN, FG_TOKENIZERS), and what is missing is skipped with a tagged reason."""

import lzma
import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from sessions import run_session  # noqa: E402
from train_fixtures import chat_model, few_chats, train  # noqa: E402, F401  (fixtures)

# Nothing here may reach for a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# Files that take long, longest first. Tests on several cores are handed out by the file, in this order: a
# long one at the end would be waited for by all other cores.
LONG = ["ranks/test_kills.py", "parity/test_convert.py", "ranks/test_jobs.py", "parity/test_training_math.py", "ranks/test_equal.py",
        "parity/test_train_outputs.py", "ranks/test_layouts.py", "parity/test_tokenizer.py",
        "ranks/test_tutorial.py", "cluster/test_training.py"]  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    def place(item):
        name = item.path.relative_to(ROOT / "tests").as_posix()
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def programs():
    """The folder with our programs."""
    return pathlib.Path(os.environ.get("FG_BIN", ROOT / "build" / "bin")).resolve()


@pytest.fixture(scope="session")
def drivers():
    """The folder with the small programs that tests drive our libraries through."""
    return pathlib.Path(os.environ.get("FG_DRIVERS", ROOT / "build" / "tests")).resolve()


@pytest.fixture(scope="session")
def tokenizers_folder(tmp_path_factory):
    """The real tokenizers, unpacked: llama2/, llama3/ and mistral/."""
    source = os.environ.get("FG_TOKENIZERS", "")
    if not source or not pathlib.Path(source).is_dir():
        pytest.skip("[tokenizers] FG_TOKENIZERS names no folder with the real tokenizers")
    target = tmp_path_factory.mktemp("tokenizers")
    for packed in pathlib.Path(source).glob("*/*"):
        folder = target / packed.parent.name
        folder.mkdir(exist_ok=True)
        if packed.suffix == ".xz":
            (folder / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
        else:
            shutil.copy(packed, folder / packed.name)
    return target


@pytest.fixture(scope="session")
def transformers4():
    """The folder that, on PYTHONPATH, gives a transformers of the 4 series."""
    folder = pathlib.Path(sys.prefix) / "transformers4"
    if not (folder / "transformers").is_dir():
        pytest.skip("[hf] no transformers of the 4 series in the virtual environment")
    return folder


@pytest.fixture(scope="session")
def mpirun():
    """mpirun(ranks, [program, arguments...], **subprocess arguments) -> CompletedProcess."""
    if shutil.which("mpirun") is None:
        pytest.skip("[mpi] mpirun is not installed")

    def start(ranks, command, timeout=300, **how):
        words = [ROOT / "scripts" / "mpirun.sh", str(ranks), *command]
        return run_session([str(word) for word in words], timeout, **how)

    return start
