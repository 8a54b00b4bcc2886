"""Our chat templates against jinja2 as transformers configures it."""

import pytest
import template_cases
import template_reference as reference

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def request(template):
    return {"template": template, "messages": template_cases.MESSAGES, "extra": template_cases.VARIABLES,
            "special_tokens": SPECIAL}


def test_expressions(drivers):
    cases = [f"{{{{ {line} }}}}" for line in template_cases.EXPRESSIONS]
    # Each part of a list alone as well, so that one refusal hides no other.
    cases += [f"{{{{ ({line})|list }}}}" for line in template_cases.EXPRESSIONS if "|list" not in line]
    reference.compare(drivers, [request(case) for case in cases])


def test_statements(drivers):
    reference.compare(drivers, [request(case) for case in template_cases.TEMPLATES])
