"""Reads JUnit files, prints the skipped tests with their reasons and one line of totals.

A reason begins with a tag in brackets: "[hf] transformers is not installed". Tags that FG_REQUIRE
names (comma-separated) must not be skipped: one that was makes this exit with 1.
"""

import os
import re
import sys
import xml.etree.ElementTree as xml


def reason_of(case, skipped):
    text = skipped.get("message") or ""
    output = (skipped.text or "") + " " + (case.findtext("system-out") or "")
    found = re.search(r"\[[a-z0-9_-]+\][^\n]*", text + "\n" + output)
    return found.group(0).strip() if found else text or "no reason given"


def main(paths):
    passed, failures, skips = 0, 0, []
    for path in paths:
        for case in xml.parse(path).iter("testcase"):
            if case.get("status") == "disabled":
                continue  # GoogleTest's DISABLED_: a body that another test runs in a child process
            skipped = case.find("skipped")
            if skipped is not None or case.get("status") == "notrun":
                name = case.get("name")
                skips.append((name, reason_of(case, skipped) if skipped is not None else "not run"))
            elif case.find("failure") is not None or case.find("error") is not None:
                failures += 1
            else:
                passed += 1

    required = {tag for tag in os.environ.get("FG_REQUIRE", "").split(",") if tag}
    broken = 0
    for name, reason in skips:
        tag = reason[1 : reason.index("]")] if reason.startswith("[") else ""
        must = tag in required or not tag
        broken += must
        print(f"  {'REQUIRED' if must else 'skipped '}  {name}: {reason}")
    if not skips:
        print("  nothing")
    print(f"\n{passed} passed, {failures + broken} failed, {len(skips) - broken} skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
