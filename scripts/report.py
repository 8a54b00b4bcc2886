"""Reads JUnit files, prints the skipped tests with their reasons, those that failed, and one line of totals.

    report.py ctest.xml pytest.xml programs/*.xml

A reason begins with a tag in brackets: "[hf] transformers is not installed". Tags that FG_REQUIRE
names (comma-separated) must not be skipped: one that was makes this exit with 1.

For ctest a program that runs under mpirun, or as a whole, is one test, whatever its tests came to. Its
own file, named as ctest names it (comm_mpi_test.2.xml), takes the place of ctest's entry, and must be there. A test for
which the ranks are too few ([ranks]) may be skipped by a run of one rank only.
"""

import os
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

PROGRAM = re.compile(r"[a-z0-9_]+_test\.(\d+|whole)")  # as ctest names the run of a whole program


def reason_of(case, skipped):
    text = skipped.get("message") or ""
    output = (skipped.text or "") + " " + (case.findtext("system-out") or "")
    found = re.search(r"\[[a-z0-9_-]+\][^\n]*", text + "\n" + output)
    return found.group(0).strip() if found else text or "no reason given"


def failure_of(case):
    found = [case.find(kind) for kind in ("failure", "error")]
    return next((each for each in found if each is not None), None)


class Results:
    """What the test cases of all files came to."""

    def __init__(self):
        self.passed = 0
        self.failures = []  # (name, first line of what it said)
        self.skips = []  # (name, reason)

    def add(self, case, name):
        if case.get("status") == "disabled" or case.get("result") == "suppressed":
            return  # GoogleTest's DISABLED_: a body that another test runs in a child process
        skipped = case.find("skipped")
        if skipped is not None:
            self.skips.append((name, reason_of(case, skipped)))
        elif (failure := failure_of(case)) is not None:
            said = failure.get("message") or ""
            self.failures.append((name, said.strip().split("\n")[0][:200]))
        elif case.get("status") == "notrun":
            self.skips.append((name, "not run"))
        else:
            self.passed += 1


def is_accepted(name, reason, required):
    tag = reason[1 : reason.index("]")] if reason.startswith("[") else ""
    if tag == "ranks":
        return PROGRAM.match(name) is not None and PROGRAM.match(name).group(1) == "1"
    return tag and tag not in required


def read(paths):
    files = {path.stem: [case for case in xml.parse(path).iter("testcase")] for path in paths}
    programs = {name for name in files if PROGRAM.fullmatch(name)}
    results = Results()
    for file, cases in files.items():
        for case in cases:
            name = case.get("name")
            if file in programs:
                results.add(case, f"{file}: {case.get('classname')}.{name}")
            elif not PROGRAM.fullmatch(name):
                results.add(case, name)
            elif case.find("failure") is not None or case.find("skipped") is not None:
                results.add(case, name)
            elif name not in programs:
                results.skips.append((name, "left no report of its tests"))
    return results


def main(paths):
    results = read([pathlib.Path(path) for path in paths])
    required = {tag for tag in os.environ.get("FG_REQUIRE", "").split(",") if tag}
    broken, alone = 0, 0
    for name, reason in results.skips:
        accepted = is_accepted(name, reason, required)
        broken += not accepted
        if accepted and reason.startswith("[ranks]"):
            alone += 1
        else:
            print(f"  {'skipped ' if accepted else 'REQUIRED'}  {name}: {reason}")
    if not results.skips:
        print("  nothing")
    if alone:
        print(f"  skipped   {alone} tests of programs under mpirun in their runs of one rank: [ranks] they need more")
    for name, said in results.failures:
        print(f"  FAILED    {name}: {said}")
    failed = len(results.failures) + broken
    print(f"\n{results.passed} passed, {failed} failed, {len(results.skips) - broken} skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
