"""Talks to tokenizer_driver (drivers/tokenizer_driver.cpp) and compares it with PyPI's tokenizers."""

import array
import struct
import subprocess


class Driver:
    """One tokenizer in our library, as a process. Requests go out whole before answers are read, so the
    text goes through a file."""

    def __init__(self, drivers, source, tmp_path, *options):
        self.command = [str(drivers / "tokenizer_driver"), str(source), *options]
        self.tmp_path = tmp_path

    def ask(self, request):
        path = self.tmp_path / "request.bin"
        path.write_bytes(request)
        with path.open("rb") as source:
            done = subprocess.run(self.command, stdin=source, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def encode(self, texts, special=True, offsets=True, threads=1, guards=None):
        """The ids of each text, and the offsets in bytes (or None)."""
        flags = special * 1 + offsets * 2 + (threads > 1) * 4
        parts = [b"E", struct.pack("<II", flags, len(texts))]
        for i, text in enumerate(texts):
            data = text if isinstance(text, bytes) else text.encode()
            spans = guards[i] if guards else []
            parts.append(struct.pack("<I", len(data)))
            parts.append(data)
            parts.append(struct.pack("<I", len(spans)))
            parts.extend(struct.pack("<II", *span) for span in spans)
        answer = array.array("I", self.ask(b"".join(parts)))
        ids, spans, at = [], [], 0
        for _ in texts:
            count = answer[at]
            ids.append(answer[at + 1 : at + 1 + count].tolist())
            at += 1 + count
            if offsets:
                spans.append(answer[at : at + 2 * count])
                at += 2 * count
        assert at == len(answer)
        return ids, spans

    def decode(self, lists, skip_special=False, streaming=False):
        flags = skip_special * 1 + streaming * 2
        parts = [b"D", struct.pack("<II", flags, len(lists))]
        for ids in lists:
            parts.append(struct.pack("<I", len(ids)))
            parts.append(array.array("I", ids).tobytes())
        answer, texts, at = self.ask(b"".join(parts)), [], 0
        for _ in lists:
            (size,) = struct.unpack_from("<I", answer, at)
            texts.append(answer[at + 4 : at + 4 + size].decode())
            at += 4 + size
        return texts

    def vocabulary(self):
        """[(token, is special)] by id."""
        answer, at, tokens = self.ask(b"V"), 4, []
        for _ in range(struct.unpack_from("<I", answer)[0]):
            (size,) = struct.unpack_from("<I", answer, at)
            token = answer[at + 4 : at + 4 + size].decode()
            (special,) = struct.unpack_from("<I", answer, at + 4 + size)
            tokens.append((token, bool(special)))
            at += 8 + size
        return tokens


def to_characters(text, spans):
    """Offsets in bytes as offsets in characters."""
    if text.isascii():
        return list(zip(spans[::2], spans[1::2]))
    places = [0] * (len(text.encode()) + 1)
    at = 0
    for i, character in enumerate(text):
        places[at] = i
        at += len(character.encode())
    places[at] = len(text)
    return [(places[a], places[b]) for a, b in zip(spans[::2], spans[1::2])]


def expect_equal(driver, reference, texts, special=True, offsets=True):
    """Ids, and if asked offsets, are those of the reference for every text. Returns the ids."""
    ids, spans = driver.encode(texts, special, offsets)
    method = reference.encode_batch if offsets else reference.encode_batch_fast
    for i, wanted in enumerate(method(texts, add_special_tokens=special)):
        assert ids[i] == wanted.ids, difference(texts[i], ids[i], wanted.ids, reference)
        if offsets:
            found = to_characters(texts[i], spans[i])
            assert found == wanted.offsets, (texts[i][:500], wanted.tokens, found, wanted.offsets)
    return ids


def expect_same_decoding(driver, reference, lists):
    for skip in (False, True):
        wanted = reference.decode_batch(lists, skip_special_tokens=skip)
        for streaming in (False, True):
            found = driver.decode(lists, skip, streaming)
            for ids, ours, theirs in zip(lists, found, wanted):
                assert ours == theirs, (ids[:100], ours, theirs)


def difference(text, ours, theirs, reference):
    first = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    around = slice(max(0, first - 3), first + 8)

    def spelled(ids):
        return [(i, reference.id_to_token(i)) for i in ids[around]]

    return f"text {text[:300]!r}: token {first}: ours {spelled(ours)}, theirs {spelled(theirs)}"
