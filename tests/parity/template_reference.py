"""What jinja2, configured by transformers, makes of a chat template; and the driver around ours."""

import datetime
import json
import os
import subprocess

import jinja2
from transformers.utils import chat_template_utils

NOW = 1_750_000_000


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(NOW)


def render_reference(request):
    """{"text", "generation"} or {"syntax": line or None} or {"refused": why}."""
    saved = chat_template_utils.datetime
    chat_template_utils.datetime = FixedClock
    try:
        try:
            template = chat_template_utils._compile_jinja_template(request["template"])
        except jinja2.TemplateSyntaxError as error:
            return {"syntax": error.lineno, "refused": str(error)}
        except Exception as error:  # Python's own compiler refuses some generated code
            return {"syntax": None, "refused": repr(error)}
        variables = dict(request.get("special_tokens", {})) | json.loads(json.dumps(request.get("extra", {})))
        try:
            text, generation = chat_template_utils._render_with_assistant_indices(
                compiled_template=template,
                messages=request.get("messages", []),
                tools=request.get("tools"),
                documents=request.get("documents"),
                add_generation_prompt=request.get("add_generation_prompt", False),
                **variables,
            )
        except Exception as error:
            return {"refused": repr(error)}
        return {"text": text, "generation": generation}
    finally:
        chat_template_utils.datetime = saved


def render_ours(drivers, requests):
    """The driver's answers to all requests, in their order."""
    lines = "".join(json.dumps(request | {"now": NOW}, ensure_ascii=False) + "\n" for request in requests)
    run = subprocess.run([drivers / "chat_template_tool"], input=lines.encode(), capture_output=True,
                         timeout=300, env=os.environ)
    assert run.returncode == 0, run.stderr.decode()
    answers = [json.loads(line) for line in run.stdout.decode().split("\n")[:-1]]
    assert len(answers) == len(requests)
    return answers


def byte_mask(text, spans):
    """One flag a byte from spans that count characters."""
    sizes = [len(character.encode()) for character in text]
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    mask = bytearray(offsets[-1])
    for begin, end in spans:
        mask[offsets[begin]:offsets[end]] = b"\1" * (offsets[end] - offsets[begin])
    return bytes(mask)


def mask_of_bytes(size, spans):
    mask = bytearray(size)
    for begin, end in spans:
        mask[begin:end] = b"\1" * (end - begin)
    return bytes(mask)


def is_address(text):
    """Python prints the address of what has no text of its own."""
    return " at 0x" in text


def difference(request, ours, reference):
    """Empty where both agree, else what they say."""
    if "text" in reference and is_address(reference["text"]):
        return ""
    if "text" in reference and "text" in ours:
        text = reference["text"]
        if ours["text"] != text:
            return f"ours {ours['text']!r} != {text!r}"
        # Inside a macro, transformers counts from what has come out before it, not from where it ends up.
        if request.get("generation_may_be_nested"):
            return ""
        if mask_of_bytes(len(text.encode()), ours["generation"]) != byte_mask(text, reference["generation"]):
            return f"generation {ours['generation']} != {reference['generation']}"
        return ""
    if "text" in reference or "text" in ours:
        return f"ours {ours.get('text', ours.get('error'))!r}, reference {reference}"
    if reference.get("syntax") is not None and (ours["code"] != 4 or ours["line"] != reference["syntax"]):
        return f"ours {ours}, reference {reference}"
    return ""


def compare(drivers, requests):
    """Renders all requests both ways and fails with the first differences."""
    found = []
    for request, ours in zip(requests, render_ours(drivers, requests)):
        what = difference(request, ours, render_reference(request))
        if what:
            found.append(f"{request['template'][:300]!r}: {what[:1500]}")
    assert not found, f"{len(found)} of {len(requests)} differ:\n" + "\n".join(found[:20])
