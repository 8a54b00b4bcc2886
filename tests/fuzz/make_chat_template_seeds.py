"""Writes the seed corpus of chat_template_fuzzer into the folder given: the cases of the parity test."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "parity"))
import template_cases  # noqa: E402

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
cases = template_cases.TEMPLATES + [f"{{{{ {line} }}}}" for line in template_cases.EXPRESSIONS]
for number, case in enumerate(cases):
    (folder / f"case-{number}").write_text(case)
