"""Seeded random templates: small expressions and statements over the variables of template_cases."""

import random

NAMES = ["s", "e", "u", "w", "n", "z", "f", "g", "t", "no", "nil", "l", "ls", "ll", "d", "dd", "mixed", "lines", "undefined_name", "messages"]
LITERALS = ["1", "0", "-3", "2.5", "'a'", "'o'", "''", "' '", "'\u00e9\u00df'", "true", "none", "[]", "[1, 'x']", "{}", "{'k': 1, 2: 'v'}", "(1, 2)", "'%s'", "'{}'", "1e20", "'12'", "'k'"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
METHODS = ["upper()", "lower()", "strip()", "split()", "split('o')", "items()", "keys()", "values()", "get('a')", "title()", "replace('o', 'X')",
           "startswith('H')", "find('l')", "count('l')", "index(1)", "splitlines()", "rstrip('d')", "isdigit()", "join(ls)", "format(n)", "append(1)", "_x", "a", "k", "real", "partition(' ')", "rsplit(none, 1)", "capitalize()", "center(9)", "0"]
FILTERS = ["upper", "lower", "trim", "length", "first", "last", "list", "string", "int", "float", "join(',')", "default('D')", "sort", "reverse|list", "unique|list",
           "tojson", "tojson(indent=1)", "abs", "round(1)", "map('string')|list", "select|list", "map(attribute='k')|list", "selectattr('k')|list", "items|list", "dictsort",
           "replace('l', 'L')", "title", "capitalize", "sum", "min", "max", "batch(2)|list", "slice(2)|list", "indent(2)", "truncate(6)", "wordcount", "e", "safe", "urlencode", "count", "groupby(0)|list", "rejectattr('v', 'gt', 1)|list", "join", "sort(reverse=true)", "map('upper')|join"]
TESTS = ["defined", "none", "string", "number", "mapping", "iterable", "sequence", "odd", "even", "boolean", "integer", "float", "lower", "upper", "eq(1)", "in(l)", "divisibleby 2", "true", "gt(0)", "callable", "sameas none", "undefined", "not none", "not string"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def expression(self, depth):
        pick = self.random
        kind = pick.randrange(12) if depth > 0 else pick.randrange(2)
        below = depth - 1
        if kind == 0:
            return pick.choice(NAMES)
        if kind == 1:
            return pick.choice(LITERALS)
        if kind in (2, 3):
            return f"({self.expression(below)} {pick.choice(BINARY)} {self.expression(below)})"
        if kind == 4:
            return f"{self.expression(below)}.{pick.choice(METHODS)}"
        if kind in (5, 6):
            return f"({self.expression(below)})|{pick.choice(FILTERS)}"
        if kind == 7:
            return f"({self.expression(below)} is {pick.choice(TESTS)})"
        if kind == 8:
            bounds = [pick.choice(["", "1", "-1", "0", "2", "-2", "n"]) for _ in range(pick.randrange(1, 4))]
            # Slices only of names: jinja2 folds `none[0:1]`, a constant that has no slices, to undefined.
            return f"{pick.choice(NAMES)}[{':'.join(bounds)}]" if len(bounds) > 1 else f"{self.expression(below)}[{self.expression(below)}]"
        if kind == 9:
            return f"({self.expression(below)} if {self.expression(below)} else {self.expression(below)})"
        if kind == 10:
            return pick.choice(["not ", "-", "+"]) + self.expression(below)
        items = ", ".join(self.expression(below) for _ in range(pick.randrange(4)))
        return pick.choice([f"[{items}]", f"({items},)" if items else "()", f"dict(k={self.expression(below)})"])

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.random.randrange(1, 4)))

    def statement(self, depth):
        pick = self.random
        kind = pick.randrange(14) if depth > 0 else pick.randrange(4)
        value = self.expression(2)
        left, right = pick.choice(["{%", "{%-", "{%+"]), pick.choice(["%}", "-%}", "+%}"])

        def tag(text):
            return f"{left} {text} {right}"

        if kind == 0:
            return pick.choice(["a", " ", "\n", "  \n ", "x\n", "\t", "{# c #}", "{#- c -#}\n", " b  "])
        if kind in (1, 2):
            return pick.choice(["{{ %s }}", "{{- %s }}", "{{ %s -}}"]) % value
        if kind == 3:
            return tag(f"set {pick.choice(['x', 'y', 'n'])} = {value}")
        below = depth - 1
        if kind in (4, 5):
            test = f" if {self.expression(1)}" if pick.random() < 0.3 else ""
            target = pick.choice(["x", "y", "x, y"])
            other = tag("else") + self.body(below) if pick.random() < 0.3 else ""
            extra = pick.choice(["", "{{ loop.index }}", "{{ loop.last }}", tag("break"), tag("continue"), "{{ loop.length }}{{ loop.nextitem }}"])
            return tag(f"for {target} in {value}{test}") + self.body(below) + extra + other + tag("endfor")
        if kind in (6, 7):
            return tag(f"if {value}") + self.body(below) + pick.choice(["", tag("else") + self.body(below), tag(f"elif {self.expression(1)}") + self.body(below)]) + tag("endif")
        if kind == 8:
            name = pick.choice(["m", "f2"])
            return tag(f"macro {name}(x, y={self.expression(1)})") + self.body(below) + tag("endmacro") + "{{ %s(%s) }}" % (name, value)
        if kind == 9:
            return tag(f"set x{pick.choice(['', '|upper', '|trim'])}") + self.body(below) + tag("endset") + "{{ x }}"
        if kind == 10:
            return tag(f"with x = {value}") + self.body(below) + tag("endwith")
        if kind == 11:
            return tag("filter " + pick.choice(["upper", "trim", "indent(2)"])) + self.body(below) + tag("endfilter")
        if kind == 12:
            return tag("generation") + self.body(below) + tag("endgeneration")
        return tag("macro c()") + "[{{ caller(1) }}]" + tag("endmacro") + tag("call(x) c()") + self.body(below) + tag("endcall")

    def damaged(self, template):
        """The same with one small change that usually breaks it."""
        if not template:
            return template
        at = self.random.randrange(len(template))
        return template[:at] + self.random.choice(["", "{", "%}", "'", "(", " ", "\n", "]", "|", "end", ".", "{{", "-"]) + template[at + self.random.randrange(2):]


def expressions(seed, count):
    generator = Generator(seed)
    return [f"{{{{ {generator.expression(3)} }}}}" for _ in range(count)]


def templates(seed, count):
    generator = Generator(seed)
    return [generator.body(3) for _ in range(count)]


def damaged(seed, count):
    generator = Generator(seed)
    return [generator.damaged(generator.body(2)) for _ in range(count)]
