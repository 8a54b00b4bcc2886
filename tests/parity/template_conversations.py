"""Conversations for whole chat templates, from plain ones to those that a template refuses."""

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather <now> & \"later\" in a caf\u00e9's town",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "Name"},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
            "days": {"type": ["integer", "null"], "minimum": 1}},
            "required": ["city"]},
        "return": {"type": "number", "description": "degrees"}}},
    {"type": "function", "function": {
        "name": "add", "description": "",
        "parameters": {"type": "object", "properties": {
            "values": {"type": "array", "items": {"type": "number"}},
            "options": {"type": "object", "properties": {"exact": {"type": "boolean"}}}}}}},
]
DOCUMENTS = [{"title": "A \u2603", "text": "First.\nSecond."}, {"title": "B", "text": "</s> third"}]

USER = {"role": "user", "content": "Hello there!"}
ODD = {"role": "user", "content": " \u00a0caf\u00e9 \u4e16\u754c \U0001f469\u200d\U0001f4bb <|im_end|> [/INST] {{ x }} {% y %} \\n 'q' \"z\"\n\n"}
ASSISTANT = {"role": "assistant", "content": "Hi, how can I help?"}
SYSTEM = {"role": "system", "content": "You are terse.\n"}
THINKING = {"role": "assistant", "content": "<think>\nhm, 2+2\n</think>\n\nFour.", "reasoning_content": "hm"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdef123", "type": "function",
     "function": {"name": "get_weather", "arguments": {"city": "Z\u00fcrich", "days": 2, "x": [1.5, True, None]}}}]}
CALL_TEXT = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "123456789", "type": "function",
     "function": {"name": "add", "arguments": "{\"values\": [1, 2]}"}},
    {"id": "987654321", "type": "function", "function": {"name": "add", "arguments": "{}"}}]}
RESULT = {"role": "tool", "tool_call_id": "abcdef123", "name": "get_weather", "content": "{\"t\": 21.5}"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "See this: "}, {"type": "image"}, {"type": "text", "text": "ok?"}]}

CONVERSATIONS = {
    "empty": [],
    "user": [USER],
    "system": [SYSTEM, USER],
    "system_only": [SYSTEM],
    "turns": [USER, ASSISTANT, ODD],
    "system_turns": [SYSTEM, USER, ASSISTANT, ODD, ASSISTANT],
    "assistant_first": [ASSISTANT, USER],
    "two_users": [USER, USER],
    "thinking": [USER, THINKING, ODD, THINKING],
    "call": [USER, CALL, RESULT | {"tool_call_id": "abcdef123"}],
    "call_answer": [SYSTEM, USER, CALL, RESULT, ASSISTANT, USER],
    "call_text": [USER, CALL_TEXT, RESULT, RESULT],
    "parts": [PARTS, ASSISTANT],
    "odd_role": [{"role": "critic", "content": "no"}, USER],
    "no_content": [{"role": "user"}],
    "developer": [{"role": "developer", "content": "Rules."}, USER],
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def requests(template):
    """Every conversation, with and without generation prompt, and some with tools and documents."""
    for messages in CONVERSATIONS.values():
        for prompt in (False, True):
            yield {"template": template, "messages": messages, "special_tokens": SPECIAL, "add_generation_prompt": prompt}
    for name in ("user", "system", "call", "call_answer", "call_text", "turns", "thinking"):
        for prompt in (False, True):
            yield {"template": template, "messages": CONVERSATIONS[name], "special_tokens": SPECIAL, "tools": TOOLS,
                   "add_generation_prompt": prompt}
    yield {"template": template, "messages": CONVERSATIONS["turns"], "special_tokens": SPECIAL, "documents": DOCUMENTS,
           "add_generation_prompt": True}
    yield {"template": template, "messages": CONVERSATIONS["system"], "special_tokens": SPECIAL, "documents": DOCUMENTS,
           "tools": TOOLS, "add_generation_prompt": True}
    yield {"template": template, "messages": CONVERSATIONS["thinking"], "special_tokens": SPECIAL,
           "extra": {"enable_thinking": False, "thinking": True, "date_string": "26 Jul 2024", "tools_in_user_message": False,
                     "builtin_tools": ["brave_search"], "reasoning_effort": "low", "system_message": "S", "keep_past_thinking": True},
           "add_generation_prompt": True}
