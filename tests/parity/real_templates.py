"""The chat templates inside the source package of llama-cpp-python, for tests only: never committed, kept
beside the build. FG_CHAT_TEMPLATES names a folder of .jinja files to use instead."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "llama-cpp-python==0.3.36"


def download(folder):
    """Fills `folder`; False where the package cannot be had."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python",
                   "--dest", scratch, PACKAGE]
        try:
            run = subprocess.run(command, capture_output=True, timeout=180)
        except subprocess.TimeoutExpired:
            return False
        packages = list(pathlib.Path(scratch).glob("*.tar.gz"))
        if run.returncode != 0 or not packages:
            return False
        unpack(packages[0], folder)
    return True


def unpack(package, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as archive:
        for member in archive:
            name = pathlib.PurePosixPath(member.name)
            if name.suffix == ".jinja":
                (folder / name.name).write_bytes(archive.extractfile(member).read())
            if name.name == "llama_chat_format.py":
                source = archive.extractfile(member).read().decode()
                for number, literal in enumerate(re.findall(r'^[A-Z0-9_]+_TEMPLATE = ("(?:[^"\\]|\\.)*")', source, re.M)):
                    (folder / f"format-{number}.jinja").write_text(ast.literal_eval(literal))
    (folder / "complete").touch()


def load(build):
    """{name: template}, empty where there are none."""
    named = os.environ.get("FG_CHAT_TEMPLATES", "")
    folder = pathlib.Path(named) if named else build / "chat_templates"
    if not named and not (folder / "complete").exists() and not download(folder):
        return {}
    return {path.name: path.read_text() for path in sorted(folder.glob("*.jinja"))}
