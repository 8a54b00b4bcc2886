"""The last word of scripts/test.sh: what was skipped must be told, and what must not be skipped fails."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def report(root, tmp_path):
    """report({"file.xml": test cases, …}, require="") -> (exit code, output)."""

    def run(files, require=""):
        for name, cases in files.items():
            (tmp_path / name).write_text(f"<testsuite>{cases}</testsuite>")
        done = subprocess.run([sys.executable, root / "scripts/report.py", *(tmp_path / name for name in files)],
                              capture_output=True, text=True, env=os.environ | {"FG_REQUIRE": require})  # fmt: skip
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


def skipped(name, why):
    return f'<testcase name="{name}" classname="Suite"><skipped message="file.cpp:7&#10;{why}"/></testcase>'


def passed(name):
    return f'<testcase name="{name}" classname="Suite" status="run"/>'


def test_a_skip_is_told_and_fails_where_its_tag_is_required(report):
    files = {"ctest.xml": passed("A.b") + skipped("A.c", "[gpu] there is no GPU")}
    assert report(files) == (0, "  skipped   A.c: [gpu] there is no GPU\n\n1 passed, 0 failed, 1 skipped\n")
    code, said = report(files, "hf,gpu")
    assert code == 1 and "REQUIRED  A.c: [gpu]" in said and "1 passed, 1 failed, 0 skipped" in said


def test_a_skip_without_a_tag_fails(report):
    code, said = report({"ctest.xml": skipped("A.c", "not today")})
    assert code == 1 and "REQUIRED  A.c" in said


@pytest.mark.parametrize("program", ["comm_mpi_test.2", "model_test.whole"])
def test_a_program_is_what_its_tests_are(report, program):
    files = {"ctest.xml": passed(program),
             f"{program}.xml": passed("One") + passed("Two") + skipped("Three", "[gpu] one GPU")}  # fmt: skip
    code, said = report(files)
    assert code == 0 and f"{program}: Suite.Three: [gpu] one GPU" in said and "2 passed, 0 failed, 1 skipped" in said
    assert report(files, "gpu")[0] == 1


def test_a_program_that_left_no_report_fails(report):
    code, said = report({"ctest.xml": passed("comm_mpi_test.2")})
    assert code == 1 and "comm_mpi_test.2: left no report of its tests" in said


@pytest.mark.parametrize("name, code", [("comm_mpi_test.1", 0), ("comm_mpi_test.2", 1)])
def test_too_few_ranks_are_a_reason_for_a_run_of_one(report, name, code):
    files = {"ctest.xml": passed(name), f"{name}.xml": passed("One") + skipped("Two", "[ranks] one rank")}
    assert report(files)[0] == code


def failed(name, said="assert 1 == 2"):
    return f'<testcase name="{name}" classname="Suite"><failure message="{said}&#10;more"/></testcase>'


def test_what_failed_is_named_above_the_totals(report):
    code, said = report({"pytest.xml": passed("one") + failed("two")})
    assert code == 0 and said.endswith("  FAILED    two: assert 1 == 2\n\n1 passed, 1 failed, 0 skipped\n")
