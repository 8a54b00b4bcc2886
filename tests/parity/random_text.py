"""Random Unicode text with the things that tokenizers stumble over."""

import random
import unicodedata

SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\r", "\u00a0", "\u2003", "\u2028", "\u3000", "\u0085",
          "\u180e", "\u200b", "\v", "\f", "\x1c"]
WORDS = ["the", "Hello", "don't", "I'LL", "we've", "O'Reilly'S", "x'\u017f", "naïve", "ﬁn", "1234567", "3.14159",
         "٣٤٥", "½", "Ⅳ", "_id", "foo_bar(baz)", "://", "e\u0301", "\u1112\u1161\u11ab", "한국어", "日本語", "ไทย",
         "हिन्दी", "العربية", "עברית", "ÅÄÖ", "\u212b", "ẛ̣", "ⓗ", "CamelCaseWord", "ALLCAPS", "ǅ", "ʰ", "<0x41>",
         "<0x0A>", "<unk>", "▁", "▁▁", "▁the", "Ġ", "Ċ"]
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "❤️", "🫩"]

_BLOCKS = [(0x20, 0x7F)] * 6 + [(0, 0x20), (0x7F, 0x100), (0x100, 0x250), (0x250, 0x370), (0x370, 0x530),
           (0x530, 0x700), (0x700, 0x900), (0x900, 0xE00), (0xE00, 0x1200), (0x1200, 0x1800), (0x1800, 0x2000),
           (0x2000, 0x2100), (0x2100, 0x2C00), (0x2C00, 0x3040), (0x3040, 0x3400), (0x3400, 0xA000), (0xA000, 0xAC00),
           (0xAC00, 0xD7A4), (0xE000, 0xE100), (0xF900, 0x10000), (0x10000, 0x11000), (0x11000, 0x12000),
           (0x12000, 0x16000), (0x16000, 0x1B200), (0x1BC00, 0x1E000), (0x1E000, 0x1F000), (0x1F000, 0x20000),
           (0x20000, 0x20100), (0x2EBF0, 0x2EE5E), (0x31350, 0x31360), (0xE0000, 0xE01F0), (0x10FFF0, 0x110000)]


def character(rng):
    low, high = rng.choice(_BLOCKS)
    return chr(rng.randrange(low, high))


def text(rng, added=()):
    """One string of up to about 60 characters, with `added` tokens mixed in now and then."""
    parts = []
    for _ in range(rng.randrange(1, 12)):
        kind = rng.random()
        if kind < 0.3:
            parts.append(rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 5]))
        elif kind < 0.55:
            parts.append(rng.choice(WORDS))
        elif kind < 0.62:
            parts.append(rng.choice(EMOJI))
        elif kind < 0.68 and added:
            parts.append(rng.choice(added))
        elif kind < 0.72:
            parts.append(character(rng) * rng.randrange(1, 20))
        else:
            parts.append("".join(character(rng) for _ in range(rng.randrange(1, 8))))
    return "".join(parts)


def texts(count, seed, added=()):
    rng = random.Random(seed)
    return [text(rng, added) for _ in range(count)]


def every_code_point():
    """Every code point but surrogates, in strings of 256, apart from and beside letters."""
    strings = []
    for low in range(0, 0x110000, 256):
        if 0xD800 <= low < 0xE000:
            continue
        points = [chr(p) for p in range(low, low + 256)]
        if all(unicodedata.category(p) == "Cn" for p in points) and low % 0x8000:
            continue  # long unassigned stretches are all alike
        strings.append("a ".join(points))
        strings.append("".join(p + "'s" for p in points))
    return strings
