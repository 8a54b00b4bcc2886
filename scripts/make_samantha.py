#!/usr/bin/env python3
"""Assembles the bundled conversations from their sources: train.jsonl, held_out.jsonl and base_text.txt.

    scripts/make_samantha.py [OUT]     OUT: configs/samantha/data, where the sources lie in source/

Every exchange is written out in full in the sources. The script joins some of them into further
conversations (everyday exchanges, most with a question for her name), shuffles, and draws the tales of the
base text. Chance is a hash of a fixed seed, so every machine and every Python gives the same bytes.
"""

import argparse
import hashlib
import json
import pathlib
import sys

DATA = pathlib.Path(__file__).resolve().parent.parent / "configs" / "samantha" / "data"
SOURCE = DATA / "source"
SEED = "samantha 1"
SPEAKERS = {"H": "human", "S": "gpt", "Y": "system"}
TALES = 260
LATER_QUESTIONS = 50
EVERYDAY = 75


class SourceError(Exception):
    pass


def draw(count, *what):
    """A number below count that depends on the seed and on what it is for, and on nothing else."""
    digest = hashlib.sha256("/".join([SEED, *map(str, what)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % count


def shuffled(items, what):
    return [item for _, item in sorted((draw(2**60, what, i), item) for i, item in enumerate(items))]


class Deck:
    """Deals a pile of cards in shuffled order, and shuffles anew when it is used up."""

    def __init__(self, size, name):
        self.size, self.name, self.round, self.cards = size, name, 0, []

    def deal(self, is_welcome):
        """The first card that is welcome; the others stay on top for the next call."""
        for _ in range(3):
            for place, card in enumerate(self.cards):
                if is_welcome(card):
                    return self.cards.pop(place)
            self.round += 1
            self.cards += shuffled(range(self.size), f"{self.name} {self.round}")
        raise SourceError(f"no card of '{self.name}' fits; write more of them")


# Reading the sources


def blocks(path):
    """Blocks of lines between empty lines, each with the number of its first line."""
    block, begin = [], 0
    for number, line in enumerate([*path.read_text(encoding="utf-8").split("\n"), ""], 1):
        if line.strip():
            begin = begin if block else number
            block.append(line.rstrip())
        elif block:
            yield begin, block
            block = []


def read_turns(path):
    """List of (mark, turns) in a file of blocks: 'H: ', 'S: ' or 'Y: ' begins a turn, '| ' goes on with
    it in a new line, '@ mark' before them says where a block may stand."""
    result = []
    for begin, lines in blocks(path):
        mark, turns = "", []
        for number, line in enumerate(lines, begin):
            key, text = line[:2], line[2:].strip()
            if key == "@ ":
                mark = text
            elif key == "| " and turns:
                turns[-1]["value"] += "\n" + text
            elif key[:1] in SPEAKERS and key[1:] == ":" and text:
                turns.append({"from": SPEAKERS[key[:1]], "value": text})
            else:
                raise SourceError(f"{path}:{number}: '{line[:40]}' begins with none of H: S: Y: | @")
        result.append((mark, turns))
    return result


def turns_of(name):
    return [turns for _, turns in read_turns(SOURCE / name)]


def read_sections(path):
    sections = {}
    for _, lines in blocks(path):
        if lines[0].startswith("["):
            sections[lines[0].strip("[]")] = lines[1:]
    return sections


# Joining exchanges into conversations


def values(turns):
    return {turn["value"] for turn in turns if turn["from"] != "system"}


def too_alike(turns, others):
    """Whether more than half of the turns, or of another conversation's turns, are in both."""
    mine = values(turns)
    return any(2 * len(mine & other) > min(len(mine), len(other)) for other in others)


class Mixer:
    """Builds conversations out of exchanges; no two of them share more than half of their turns."""

    def __init__(self):
        self.exchanges, self.closings = turns_of("exchanges.txt"), turns_of("closings.txt")
        self.systems = turns_of("systems.txt")
        self.decks = {"first": Deck(len(self.exchanges), "first"),
                      "next": Deck(len(self.exchanges), "next"),
                      "closing": Deck(len(self.closings), "closing")}
        self.made = []

    def exchange(self, deck, so_far):
        def is_welcome(card):
            turns = self.exchanges[card]
            if not so_far:  # a long exchange that has been used would fill more than half again
                return len(turns) == 2 or not any(values(turns) & other for other in self.made)
            return turns[0] not in so_far and not too_alike(so_far + turns, self.made)

        return self.exchanges[self.decks[deck].deal(is_welcome)]

    def closing(self, so_far):
        def is_welcome(card):
            return not too_alike(so_far + self.closings[card], self.made)

        return self.closings[self.decks["closing"].deal(is_welcome)]

    def finish(self, turns, number, kind):
        if draw(2, kind, "closing", number):
            turns = turns + self.closing(turns)
        self.made.append(values(turns))
        if draw(10, kind, "system", number) == 0:
            turns = self.systems[draw(len(self.systems), kind, "which system", number)] + turns
        return turns

    def name_first(self, number, question):
        turns = list(question)
        for _ in range(1 + (draw(3, "exchanges", number) == 0)):
            turns += self.exchange("next", turns)
        return self.finish(turns, number, "name first")

    def name_later(self, number, question):
        turns = self.exchange("first", question) + question
        if draw(2, "one more", number):
            turns += self.exchange("next", turns)
        return self.finish(turns, number, "name later")

    def everyday(self, number):
        turns = self.exchange("first", [])
        for _ in range(1 + (draw(4, "everyday", number) == 0)):
            turns = turns + self.exchange("next", turns)
        return self.finish(turns, number, "everyday")


def mixed_conversations():
    questions, mixer = read_turns(SOURCE / "names.txt"), Mixer()
    first = [turns for mark, turns in questions if mark != "later"]
    later = [turns for mark, turns in questions if mark == "later"]
    either = shuffled(range(len(questions)), "either")
    either = [questions[i][1] for i in either if questions[i][0] == ""]
    later += either[: LATER_QUESTIONS - len(later)]
    result = [mixer.name_first(number, turns) for number, turns in enumerate(first)]
    result += [mixer.name_later(number, turns) for number, turns in enumerate(later)]
    return result + [mixer.everyday(number) for number in range(EVERYDAY)]


def numbered(name, conversations):
    return [{"id": f"{name}-{number:03}", "conversations": turns}
            for number, turns in enumerate(conversations, 1)]


def training_rows():
    rows = []
    for path in sorted((SOURCE / "conversations").glob("*.txt")):
        rows += numbered(path.stem, [turns for _, turns in read_turns(path)])
    rows += numbered("mixed", mixed_conversations())
    order = shuffled(range(len(rows)), "rows")
    return [rows[i] for i in order]


# The base text


def tale(number, pieces):
    def pick(section, part=""):
        lines = pieces[section]
        return lines[draw(len(lines), "tale", number, section, part)]

    name, they, their = pick("hero").split()
    words = {"name": name, "they": they, "They": they.capitalize(), "their": their}
    words |= {key: pick(key) for key in ("friend", "place", "thing", "animal")}
    tries = 2 + draw(2, "tale", number, "tries")
    lines = [pick("start"), pick("trouble"), *[pick("try", part) for part in range(tries)]]
    lines += [pick("help"), pick("end")]
    lines = [line.format(**words) for line in dict.fromkeys(lines)]
    return " ".join(line[0].upper() + line[1:] for line in lines)


def base_text():
    facts = ["\n".join(lines) for _, lines in blocks(SOURCE / "base_facts.txt")]
    pieces = read_sections(SOURCE / "base_tales.txt")
    paragraphs = facts + [tale(number, pieces) for number in range(TALES)]
    order = shuffled(range(len(paragraphs)), "paragraphs")
    return "\n\n".join(paragraphs[i] for i in order) + "\n"


def write_rows(path, rows):
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"{path}: {len(rows)} conversations, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=DATA)
    out = parser.parse_args().out
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_rows(out / "train.jsonl", training_rows())
        write_rows(out / "held_out.jsonl", numbered("held_out", turns_of("held_out.txt")))
        text = base_text()
        (out / "base_text.txt").write_text(text, encoding="utf-8", newline="\n")
        print(f"{out / 'base_text.txt'}: {len(text.encode())} bytes")
    except (SourceError, OSError) as error:
        sys.exit(f"make_samantha: {error}")


if __name__ == "__main__":
    main()
