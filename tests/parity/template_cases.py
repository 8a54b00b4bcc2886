"""Small templates that exercise each feature of the language, rendered with VARIABLES."""

MESSAGES = [
    {"role": "system", "content": "Be <b>brief</b>."},
    {"role": "user", "content": "  Hi \u00e9\u4e16\U0001f600 'x' \"y\"\n"},
    {"role": "assistant", "content": "Ok", "n": 3},
]

VARIABLES = {
    "s": "Hello World", "e": "", "u": "\u00df\u0130\u01c5 \u03a3\u03a3 \ufb01\u00e9", "w": " \t a b\u3000c \n",
    "n": 7, "z": 0, "f": 2.5, "g": -0.1, "big": 1e22, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c"], "ll": [[1, 2], [3, 4]], "d": {"b": 1, "a": [2, None], "items": 5},
    "dd": [{"k": "x", "v": 1}, {"k": "Y", "v": 2}, {"k": "x", "v": 3}, {"v": None}],
    "mixed": [1, "a", None, True, 2.5, [1], {"a": "b'\"\u00a0\u200b"}],
    "lines": "one\ntwo\r\nthree\x0bfour\u2028five\n", "tags": "<a href='x'>&amp; b</a>",
}

EXPRESSIONS = """
1 + 2 * 3 - 4 / 5 // 6 % 7 ** 2
2 ** 3 ** 2
-2 ** 2
- n | abs
-n|abs
7 // 2, -7 // 2, 7 // -2, 7 % -3, -7 % 3
7.5 // 2, -7.5 // 2, 7.5 % -2, -7.5 % 2, 1e300 * 1e10
1 / 3, 2 / 4, 10 / 5
1 // 0
1 % 0
1.0 / 0
0 ** -1
2 ** -1
2 ** 0.5
'a' * 3, 3 * 'a', [1] * 2, (1,) * 2, 'a' * -1
'a' + 1
'a' ~ 1 ~ none ~ true ~ 1.0
[1] + [2], (1,) + (2,)
[1] + (2,)
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0 == true
1 < 'a'
'a' < 'b', [1, 2] < [1, 3], (1,) < (1, 2)
none < 1
{} < {}
1 in [1, 2], 1.0 in [1], 'a' in 'abc', 'a' in {'a': 1}, 3 not in [1]
1 in 'abc'
[] in {}
1 in 1
true and 0 or 'x'
not 1, not '', not [], not {}, not none, not 0.0, not undefined_name
1 if true else 2
1 if false
(1 if false) is defined
'a' if s else 'b' if n else 'c'
undefined_name
undefined_name.x
undefined_name['x']
undefined_name + 1
undefined_name ~ 'a'
undefined_name == undefined_name, undefined_name == none
undefined_name is defined, undefined_name is undefined, n is defined
undefined_name()
undefined_name|length
undefined_name|list
undefined_name < 1
-undefined_name
[undefined_name]
d.a, d['a'], d.items, d['items'], d.missing, d.b
d.missing.x
d['__class__'], d.__class__, s.__class__, n.__class__, l.__class__.__mro__
d.__class__.x
s.__class__
d.get('a'), d.get('q'), d.get('q', 1), d.get(key='a')
d.keys(), d.values(), d.items()
d.keys()|list, d.values()|list, d|items|list, d|list
d.update({'c': 1})
d.pop('a')
d.clear
l.append(1)
l.sort()
l.append
l.index(1), l.count(3), l.copy(), l.index(9)
l[0], l[-1], l[1:], l[:-1], l[::-1], l[::2], l[5:], l[-5:2]
l[9]
l['x']
l[::0]
l[1.5]
l[true]
s[0], s[-1], s[1:4], s[::-1], s[::3], s[100:], s[3:1], u[0], u[2:4], u[::-1]
s['x']
n[0]
n.foo
n.real, f.is_integer(), n.bit_length(), t.real
none.x
s.upper(), s.lower(), s.title(), s.capitalize(), s.swapcase(), s.casefold()
u.upper(), u.lower(), u.title(), u.capitalize(), u.swapcase(), u.casefold()
u|upper, u|lower, u|title, u|capitalize
w.strip(), w.lstrip(), w.rstrip(), s.strip('Hd'), s.lstrip('He'), s.rstrip('ld'), w|trim, s|trim('Hd')
s.strip(1)
s.split(), s.split('o'), s.split('o', 1), s.rsplit('o', 1), w.split(), w.split(none, 1), w.rsplit(none, 1), s.split('')
s.split('o', maxsplit=1), s.split(sep='l'), ''.split(), ''.split('a'), 'aXbXc'.rsplit('X'), 'a b c'.rsplit(maxsplit=1)
lines.splitlines(), lines.splitlines(true), ''.splitlines(), 'a\\n\\nb'.splitlines()
s.partition(' '), s.partition('q'), s.rpartition('o'), s.rpartition('q')
s.replace('o', '0'), s.replace('o', '0', 1), s.replace('', '-'), s.replace('', '-', 3), s.replace('l', ''), s.replace('l', 'L', -1)
s.replace('o')
s.replace(1, 2)
s|replace('o', '0'), s|replace('o', '0', 1), 121|replace(1, 3), s|replace(old='l', new='1')
s.startswith('He'), s.startswith(('x', 'H')), s.endswith('ld'), s.startswith('W', 6), s.endswith('o', 0, 5), s.startswith('', 12), s.startswith('', 11)
s.startswith(1)
s.startswith(['H'])
s.find('o'), s.find('q'), s.rfind('o'), s.find('o', 5), s.find('o', -5, -1), s.index('o'), s.rindex('o'), s.find(''), s.rfind(''), u.find('\u01c5')
s.index('q')
s.count('o'), s.count(''), s.count('l', 3), s.count('q')
','.join(['a', 'b']), ','.join('abc'), ''.join([])
','.join([1])
','.join(1)
s.center(20), s.ljust(15, '.'), s.rjust(15, '*'), 'ab'.center(5, '-'), 'abc'.center(6, '-'), 'a'.center(4), 'x'.zfill(3), '-5'.zfill(4), '+5'.zfill(4), 'x'.zfill(0)
'a'.center(3, 'xx')
'a\\tb'.expandtabs(4), '\\t'.expandtabs(), 'ab\\tc\\n\\td'.expandtabs(tabsize=3)
'abc'.isalpha(), 'ab1'.isalnum(), '12'.isdigit(), '\u00b2'.isdigit(), '\u00b2'.isdecimal(), '\u00bd'.isnumeric(), ''.isalpha(), ' '.isspace(), 'Ab Cd'.istitle(), 'ab'.islower(), 'AB'.isupper(), 'a b'.isidentifier(), 'a_1'.isidentifier(), '\\n'.isprintable(), 'a'.isascii(), '\u00e9'.isascii(), '1'.isupper()
s.removeprefix('Hello'), s.removesuffix('World'), s.removeprefix('x')
'{} {}'.format(1, 'a'), '{1} {0}'.format(1, 2), '{a} {b!r}'.format(a=1, b='x'), '{0[0]} {1.real}'.format(l, n), '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:x}|{:,}'.format('a', 'b', 'c', 42, 3.14159, 255, 1234567)
'{0.__class__}'.format(s)
'{} {1}'.format(1, 2)
'{'.format()
'}'.format()
'{a}'.format()
'{0}'.format()
'{:q}'.format(1)
'{{}}'.format()
'{:{}}'.format('a', 5), '{:{w}.{p}f}'.format(3.14159, w=8, p=2)
'{:+d} {:-d} {: d} {:#x} {:#b} {:o} {:c} {:e} {:g} {:%} {:08.3f} {:=+8d} {:_}'.format(5, 5, 5, 255, 5, 8, 97, 12345.678, 0.0001, 0.25, 3.14159, 42, 1234567)
'{:s}'.format(1)
'{:d}'.format('a')
'{!s} {!r} {!a}'.format('\u00e9', '\u00e9', '\u00e9')
'{a[x]} {a[0]}'.format_map({'a': {'x': 1, 0: 2}})
'%s %d %r %5.2f %x %o %e %g %c %%' % ('a', 3, 'b', 3.14159, 255, 8, 12345.678, 0.0001, 'z')
'%(a)s %(b)d' % {'a': 1, 'b': 2}
'%s' % [1, 2], '%s' % {'a': 1}, '%s' % none, '%s' % undefined_name
'%s %s' % 1
'%s' % (1, 2)
'a' % 1
'%d' % 'a'
'%q' % 1
'%-5s|%5s|%05d|%+d|% d|%.2s|%*d' % ('a', 'b', 42, 5, 5, 'abc', 4, 7)
'%s-%s'|format('a', 1), '%(x)s'|format(x=2), '%.3f'|format(n)
'abc'.translate({97: 'X', 98: none, 99: 100})
1.0, 1.5, 0.1, 1e16, 1e15, 123456789.123456789, 1e-4, 1e-5, -0.0, 1e400, -1e400, 1e22, 5e-324, 100000000000000000000.0
1_000, 0x1F, 0o17, 0b101, 1_0.5, 1e5, 1E-3, 00, 0_0
9223372036854775807, -9223372036854775807 - 1
'a\\nb\\t\\x41\\u00e9\\\\\\'\\"\\101\\q', "it's", 'say "x"', 'both \\' "'
'a' 'b' "c"
['a\\nb', "it's", 'say "x"', 'both \\' "', '\\x00\\x7f\\xa0\\u200b\\ue000', '\u00e9\U0001f600']
mixed, (1,), (), [], {}, {1: 2, 'a': none, true: false}, {'a': 1, 'a': 2}, {1: 'a', 1.0: 'b', true: 'c'}
{[]: 1}
[1, 2,], (1, 2,), {'a': 1,}
l|first, l|last, l|length, l|count, l|sum, l|min, l|max, l|sort, l|sort(reverse=true), l|reverse|list, l|unique|list, l|list, l|join, l|join(', ')
[]|first, []|last, []|min, []|max, []|sum, []|join, []|list, []|length
1|first
1|list
1|length
none|length
s|first, s|last, s|reverse, s|list, s|length, s|unique|list, s|unique(true)|list
ls|sort, ls|sort(case_sensitive=true), ls|sort(true), ls|min, ls|max, ls|max(case_sensitive=true), ls|join('-')|upper, ls|map('upper')|list, ls|map('replace', 'A', 'z')|join
[1, 'a']|sort
dd|map(attribute='k')|list, dd|map(attribute='k', default='?')|join(','), dd|selectattr('k')|list, dd|selectattr('k', 'equalto', 'x')|map(attribute='v')|list, dd|rejectattr('k', 'defined')|list, dd|selectattr('v', '>', 1)|list
dd[:3]|selectattr('v', '>', 1)|list, dd[:3]|sort(attribute='k,v')|map(attribute='v')|list, dd[:3]|sort(attribute='v', reverse=true)|list, dd[:3]|sum(attribute='v'), dd[:3]|join('/', attribute='k'), dd[:3]|groupby('k')|list, dd[:3]|max(attribute='v'), dd|unique(attribute='k')|list
dd[:3]|groupby('k', case_sensitive=true), (dd[:3]|groupby('k'))[0].grouper, (dd|groupby('k', default='q'))[0].list|length
ll|map('first')|list, ll|map(attribute=0)|list, ll|map('sum')|sum, ll|sum(start=[]), ll|map(attribute='1')|list
l|select('odd')|list, l|reject('odd')|list, l|select|list, [0, 1, none, '']|reject|list, l|select('divisibleby', 3)|list, l|select('in', [1, 2])|list
l|map('nofilter')|list
l|map|list
l|select('notest')|list
l|map(attribute='x', other=1)|list
l|batch(2)|list, l|batch(2, 0)|list, l|slice(2)|list, l|slice(2, 'x')|list, range(10)|slice(3)|list, range(10)|batch(4, '-')|list
d|dictsort, d|dictsort(true), d|dictsort(reverse=true), {'b': 1, 'A': 2}|dictsort(by='value'), {'b': 1, 'A': 2}|dictsort
l|dictsort
n|string, f|string, nil|string, s|string, l|string|length
'42'|int, '4.9'|int, 'x'|int, 'x'|int(5), '0x1A'|int(0, 16), '0b11'|int(base=2), ' 7 '|int, '1_000'|int, none|int, l|int(3), 2.9|int, true|int, '1e3'|int, ''|int, '\u0664\u0662'|int, '-5'|int, '+5'|int, '12'|int(base=8), '0o17'|int(base=0), 'zz'|int(base=36)
'3.5'|float, 'x'|float, '1e3'|float, 'inf'|float, 'nan'|float, none|float, 7|float, '1_0.5'|float, ' -2.5 '|float, 'x'|float(1.5)
1e400|int
2.5|round, 3.5|round, 2.675|round(2), -2.5|round, 42|round, 42.55|round(1, 'floor'), 42.51|round(1, 'ceil'), 1234.5|round(-2), 1234|round(-2), 2.5|round|int, 42|round(1, 'ceil')
'a'|round
1|round(1, 'bad')
-5|abs, -5.5|abs, true|abs
'a'|abs
none|default('x'), undefined_name|default('x'), undefined_name|d, ''|default('x', true), 0|default(5, boolean=true), undefined_name|default
s|indent, lines|indent(2), lines|indent(2, true), lines|indent('> ', true, true), 'a\\n\\nb'|indent(2), 'a\\n\\nb'|indent(2, blank=true), ''|indent(2, first=true), lines|indent(width=1, first=true)
1|indent
s|truncate(5), s|truncate(8, false, '..', 0), s|truncate(8, true, '..', 0), 'foo bar baz qux'|truncate(9), 'foo bar baz qux'|truncate(9, true), 'foo bar baz qux'|truncate(11), 'foo bar baz qux'|truncate(11, false, '...', 0), s|truncate(length=3, end='')
s|truncate(2)
s|wordcount, lines|wordcount, u|wordcount, ''|wordcount, 'a_b c-d'|wordcount
s|center(20), s|center
tags|e, tags|escape, tags|forceescape, tags|safe, tags|e|e, (tags|e) + '<', '<' + (tags|safe), (tags|safe) ~ '<', ('<b>'|safe) * 2, ('%s'|safe) % '<', ['<', '>'|safe]|join('&'), ('<'|safe).join(['>', '&'])
tags|urlencode, {'a b': '&', 'c': 1}|urlencode, 'a/b?c=\u00e9'|urlencode
{'class': 'x"y', 'n': none, 'id': 5}|xmlattr, {'a': 1}|xmlattr(false), {}|xmlattr
{'a b': 1}|xmlattr
1000|filesizeformat, 1|filesizeformat, 500|filesizeformat, 1000000|filesizeformat, 1024|filesizeformat(true), 123456789|filesizeformat, 1e30|filesizeformat
'the quick-brown fox (jumps) [over] {a} <b>'|title, "it's"|title, "it's".title()
mixed|tojson, d|tojson, mixed|tojson(indent=2), d|tojson(indent=4), d|tojson(sort_keys=true), d|tojson(separators=(',', ':')), mixed|tojson(ensure_ascii=true), u|tojson, u|tojson(true), '<>&\\'"\\\\/\\n\\x07\\x7f\u2028'|tojson, f|tojson, big|tojson, 1e400|tojson, none|tojson, []|tojson, {}|tojson(indent=2), [[], {}]|tojson(indent=1), [1, [2]]|tojson(indent=0), [1]|tojson(indent='--'), {1: 2, none: 3, true: 4, 1.5: 5}|tojson, (1, 2)|tojson, d|tojson(indent=2, separators=(', ', ': '))
range(3)|tojson
undefined_name|tojson
{(1, 2): 3}|tojson
{1: 1, 'a': 2}|tojson(sort_keys=true)
range(5), range(5)|list, range(1, 5)|list, range(5, 1, -2)|list, range(5)[1], range(5)[1:3], range(0)|list, range(5).start, 3 in range(5), range(3) == range(0, 3)
range(100001)
range(1, 2, 0)
range('a')
range(2.0)
dict(a=1, b=2), dict({'a': 1}, b=3), dict([('a', 1), ['b', 2]]), dict()
dict(1)
dict(1, 2)
namespace(a=1), namespace(a=1).a, namespace(a=1).b, namespace({'x': 1}).x, namespace(a=1)['a'], namespace(_x=1)._x
cycler('a', 'b').next(), cycler(1, 2).current
cycler()
joiner('-')(), joiner()()
raise_exception('stop')
raise_exception()
strftime_now('%Y-%m-%d %H:%M:%S %j %a %b %d %f %% %z%Z|')
strftime_now()
n is odd, n is even, n is divisibleby 7, n is divisibleby(3), 2 is odd
's' is odd
n is number, f is number, t is number, s is number, n is integer, t is integer, f is float, n is float, t is boolean, n is boolean, t is true, no is false, 1 is true
s is string, n is string, l is sequence, d is sequence, s is sequence, n is sequence, d is mapping, l is mapping, l is iterable, n is iterable, s is iterable, range(3) is sequence, none is iterable, undefined_name is iterable
none is none, n is none, n is not none, s is lower, 'abc' is lower, 'ABC' is upper, n is sameas n, 1 is sameas true, true is sameas true, none is sameas none, l is sameas l, l is sameas [3, 1, 2]
range is callable, s is callable, s.upper is callable, dict is callable, undefined_name is callable
n is eq 7, n is equalto(7), n is ne 7, n is gt 5, n is lt(5), n is ge 7, n is le 7, n is greaterthan 3, n is lessthan 3, 1 is in [1, 2], 'a' is in 'abc', n is not in [1], n is in(l)
'upper' is filter, 'nope' is filter, 'odd' is test, 'nope' is test, tags|e is escaped, tags is escaped
n is nosuchtest
n|nosuchfilter
1|nosuchfilter if false else 2
'a' if true else n|nosuchfilter
n is defined and s is string or false
not n is defined
n is not defined
1 is odd is true
s|upper|lower|length
(s|upper).lower()
s.upper().lower()|length + 1
-1|abs
(-1)|abs
1 + 1|abs
'a' ~ 'b'|upper
d.b + 1
l.0, ll.0.1, l.7
d.0
'x'.foo, 'x'['upper'](), d['get']('b')
[1, 2, 3][1], {'a': 1}['a'], (1, 2)[0], 'abc'[1], {'a': {'b': 2}}.a.b
[[1, 2], [3]]|tojson|length
messages[0].role, messages[-1]['content']|trim, messages|length, messages|map(attribute='role')|join(','), messages[1].content|tojson, messages[2]
messages|tojson, messages[1:]|tojson(indent=2), messages|string
tools, documents, tools is none, tools is defined, add_generation_prompt
loop
loop is defined
caller is defined
lambda
1 2
a b
1 +
+
(1
1)
[1
{'a' 1}
{'a': }
'unclosed
a.
a.1.2
a['
f(a=1, 2)
f(*a, *b)
f(**a, b)
f(a=1, a=2)
a is
a | 
a if
a[1:2:3:4]
a[]
a[1, 2]
l[1, 2]
@
a ! b
a == = b
a = b
not
1 not 2
in [1]
0777
1__0
1_
0x
1e
.5
5.
1..2
'\\x4'
'\\u12'
"\\
~1
true.x, True, False, None, none, true
TRUE
s | upper ( )
s|upper()
s|upper(1)
s|replace('a', 'b', 'c')
s|join(',', attribute='x', foo=1)
d|items|map('first')|list, d|items|map('last')|list
d.items()|map('join')|list
d.items()|list|first|first
dd|map('attr', 'k')|list
s|attr('upper')|string|length > 3, d|attr('b'), namespace(q=5)|attr('q'), s|attr('__class__')
l|sort|first, (l|sort)[::-1], l|sort(attribute='x')
[true, 1, 1.0]|unique|list, [1, 1.0, '1']|unique|list, [none, none]|unique|list
[[1], [1]]|unique|list
[3, 2.5, true]|sort, ['b', 'a']|sort|join, [(2, 'a'), (1, 'b')]|sort
[1.5, 2]|sum, [true, true]|sum, ['a']|sum
'abc'|map('upper')|join, 'abc'|select('in', 'ab')|join
[1, 2] == [1, 2], [1, 2] == (1, 2), {'a': 1} == {'a': 1.0}, 'a' == 'a', 1 != 2, none == none, true == 1, '1' == 1
d.keys() == dict(d).keys(), d.items() == d.items()
'a' < 'B', '\u00e9' > 'z', '\U0001f600' > '\uffff'
5 // 0.3, 5.5 % 1, -5 % 3.0, 1e308 + 1e308, 1e308 * 10 - 1e308 * 10
10 ** 18, 2 ** 62, 7 ** 20
10 ** 5 == 100000.0, 2 ** 53 + 1 == 2.0 ** 53
1 + true, true + true, -true, +true, +1.5, true * 'ab', not true
""".strip("\n").split("\n")

TEMPLATES = [
    # white space
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc\n\n",
    "a\n  {%+ if t +%}\n  b\n  {%+ endif +%}\nc",
    "  {{ n }}  \n  {{- n -}}  \n {{+ n }}",
    "{# c #}\na{#- c -#}\n b {#+ c +#}\n  {# c #}  x\n  {# two\n lines #}\ny",
    "\n\n{% set x = 1 %}\n\n{{ x }}\n\n",
    "x {% if t %} y {% endif %} z\n\t{% if t %}\n\tq{% endif %}",
    "{% raw %}{{ a }} {% if %}{% endraw %}", "a {%- raw -%} {{ b }} {%- endraw -%} c",
    "  {% raw %}\n  x\n  {% endraw %}\n y", "{% raw %}", "{#", "{# x", "{% raw %}x", "{% raw %}{% endraw x %}",
    "a\r\nb\rc\n{{ n }}\r\n", "{{ 'a\r\nb' }}", "{{\n'a'\n}}\n", "{{ '%}' }}{{ '}}' }}{% set x = '%}' %}{{ x }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}", "{{{'a': 1}}}", "{{ {'a': 1}}}", "{ {% if t %}{{% endif %}", "{%if t%}a{%endif%}", "{{n}}{{-n-}}",
    "{%- set x = 1 -%}\n\n  a", "\u2003{%- if t %}a{% endif %}\u2003{{- n }}",
    # for
    "{% for x in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}/{{ loop.depth }}/{{ loop.depth0 }}:{{ x }};{% endfor %}",
    "{% for x in [] %}a{% else %}b{% endfor %}{% for x in l %}{{ x }}{% else %}b{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{{ loop.length }}{{ loop.last }}{% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}", "{% for a, b in ll %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for x in none %}{% endfor %}", "{% for x in undefined_name %}a{% else %}b{% endfor %}", "{% for x in s %}{{ x }}.{% endfor %}",
    "{% for x in l recursive %}{{ x }}{% endfor %}",
    "{% for x in [{'n': 1, 'c': [{'n': 2, 'c': []}]}, {'n': 3, 'c': []}] recursive %}{{ loop.depth }}{{ x.n }}({{ loop(x.c) }}){% endfor %}",
    "{% for x in [[1, [2]], 3] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}{{ loop.depth0 }}{% endif %}{% else %}E{% endfor %}",
    "{% for x in l %}{{ loop(x) }}{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}", "{% for x in [1, 1, 2, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}E{% endfor %}", "{% for x in [1] %}{% continue %}{% else %}E{% endfor %}",
    "{% for x in [1, 2] %}{% if x == 2 %}{% continue %}{% endif %}{% else %}E{% endfor %}",
    "{% break %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for x in l %}{% endfor %}{% continue %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }}|{% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in ls %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{% for x in l %}{{ loop.foo }}{{ loop._x }}{{ loop['index'] }}{% endfor %}",
    "{% for loop in l %}{{ loop }}{% endfor %}", "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% for x in l|map('string') %}{{ loop.last }}{{ x }}{{ loop.length }}{% endfor %}",
    "{% for x in l %}{% for y in loop %}{{ y[0] }}{% endfor %}{% endfor %}", "{% for x in l if loop.index %}{{ x }}{% endfor %}",
    "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}", "{% set x = 9 %}{% for x in l %}{{ x }}{% endfor %}{{ x }}", "{% for x in l: %}{{ x }}{% endfor %}",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x, in [[1]] %}{{ x }}{% endfor %}", "{% for x in l if t else ls %}{{ x }}{% endfor %}",
    "{% for x in d.items() if x[0] != 'b' %}{{ x }}{{ loop.nextitem }}{% endfor %}", "{% for a, b in d.items() if a != 'b' %}{{ loop.nextitem }}{{ loop.previtem }}{% endfor %}",
    "{% set ns = namespace(c=0) %}{% for x in l if ns.c < 2 %}{% set ns.c = ns.c + 1 %}{{ x }}{% endfor %}",
    "{% set ns = namespace(c=0) %}{% for x in l if ns.c < 1 %}{{ loop.last }}{% set ns.c = ns.c + 1 %}{{ x }}{% endfor %}",
    # if
    "{% if no %}a{% elif n %}b{% else %}c{% endif %}{% if no %}a{% elif z %}b{% else %}c{% endif %}{% if undefined_name %}a{% endif %}",
    "{% if n == 7 and s %}a{% endif %}{% if not l %}a{% endif %}{% if l, %}x{% endif %}", "{% if %}{% endif %}", "{% if n %}", "{% if n %}{% else %}", "{% endif %}", "{% else %}",
    "{% if n %}{% endfor %}", "{% for x in l %}{% endif %}", "{% if n }}{% endif %}", "{{ n %}", "{{ n", "{% if n", "{% foo %}", "{% %}", "{% 1 %}", "{{ }}", "{{}}", "\n\n{% if n %}\n\n{% bogus %}",
    "{% if n %}{% nosuchtag %}{% endif %}", "a\nb\n{{ 1 +\n\n }}", "{%- if n -%}\n\n{{ @ }}", "{% set x %}", "line\n{# c\nc #}\n{% endset %}", "{% if n %}\n{% elif %}{% endif %}",
    "{{ 'a\nb' }}\n{{ + }}", "{% raw %}\n\n{% endraw %}\n{{ | }}", "text\n   {%- set x = 1 %}\n\n   {%- foo %}", "{{ a\n}}\n{{ b c }}", "{% for x in %}{% endfor %}", "{% for 1 in l %}{% endfor %}",
    "{% for x l %}{% endfor %}", "{% for %}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% do l.append(1) %}", "{% debug %}", "{% trans %}a{% endtrans %}",
    # set and scopes
    "{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a, b = [1, 2, 3] %}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]{{ x|length }}", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', s) %}abc{% endset %}{{ x }}{{ s }}", "{% set x | replace('a', q) %}abc{% endset %}{{ x }}",
    "{% set ns = namespace(a=1) %}{% for x in l %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}", "{% set x = 1 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace() %}{% set ns.x %}blk{% endset %}{{ ns.x }}{{ ns }}", "{% set d.x = 1 %}", "{% set undefined_name.x = 1 %}", "{% set ns = namespace(a=1) %}{% set ns.a, ns.b = 5, 6 %}{{ ns.a }}{{ ns.b }}",
    "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% if no %}{% set x = 1 %}{% endif %}{{ x }}", "{% if no %}{% set n = 1 %}{% endif %}{{ n }}", "{{ n }}{% set n = 1 %}{{ n }}", "{% set n = n + 1 %}{{ n }}",
    "{% for y in l %}{{ n }}{% set n = y %}{{ n }}{% endfor %}{{ n }}", "{% for y in l %}{% if y == 1 %}{% set q = y %}{% endif %}{{ q }}{% endfor %}", "{% for y in l %}{% if y == 1 %}{% set n = y %}{% endif %}{{ n }}{% endfor %}{{ n }}",
    "{% set true = 1 %}", "{% set none = 1 %}", "{% set 1 = 2 %}", "{% set x + 1 = 2 %}", "{% set [a] = [1] %}", "{% set x.y.z = 1 %}", "{% set 'a' = 1 %}", "{% set x = %}", "{% set %}", "{% set x = 1, 2 %}{{ x }}", "{% set x = 1 if no %}{{ x is defined }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a = n, b = a %}{{ a }}{{ b }}{% endwith %}", "{% with %}{% set n = 2 %}{{ n }}{% endwith %}{{ n }}", "{% set x = 1 %}{% with x = x + 1 %}{{ x }}{% endwith %}{{ x }}", "{% with a = 1 b = 2 %}{% endwith %}", "{% with (a, b) = ll[0] %}{{ a }}{{ b }}{% endwith %}",
    "{% print 1, 2 %}{% print s %}{% print %}",
    # macros
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m(1, 2, 3) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ varargs }}|{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}{{ m }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{{ n }}{% endcall %}", "{% macro m() %}{% for i in [1, 2] %}{{ caller(i, k=i) }}{% endfor %}{% endmacro %}{% call(a, k=0) m() %}<{{ a }}{{ k }}>{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% macro m() %}a{% endmacro %}{% call m() %}x{% endcall %}", "{% call n %}{% endcall %}", "{% call n() %}{% endcall %}", "{% call undefined_name() %}{% endcall %}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}",
    "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}", "{% macro m() %}{{ y }}{% set y = 2 %}{{ y }}{% endmacro %}{% set y = 1 %}{{ m() }}{{ y }}", "{% for x in l %}{% macro m() %}{{ x }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}", "{{ m() }}{% macro m() %}a{% endmacro %}",
    "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m() %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}", "{% macro m(1) %}{% endmacro %}", "{% macro true() %}{% endmacro %}",
    "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% set ns = namespace() %}{% macro m() %}{% set ns.x = 1 %}{% endmacro %}{{ m() }}{{ ns.x }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'a': 2}) }}{{ m(*[]) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, **{'a': 2}) }}",
    "{% macro m(kwargs, varargs) %}{{ kwargs }}{{ varargs }}{% endmacro %}{{ m(1, 2) }}", "{% if t %}{% macro m() %}y{% endmacro %}{% endif %}{{ m() }}", "{% if no %}{% macro m() %}y{% endmacro %}{% endif %}{{ m() }}", "{{ l|map('string')|join(',')|upper }}{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a')|upper }}{{ m('a') ~ 'b' }}{{ m('<')|length }}",
    "{% macro outer() %}{% macro inner() %}i{{ v }}{% endmacro %}{% set v = 3 %}{{ inner() }}{% endmacro %}{{ outer() }}", "{% macro m(x=n) %}{{ x }}{% endmacro %}{% set n = 1 %}{{ m() }}", "{% macro m(x=y, y=1) %}{{ x }}{{ y }}{% endmacro %}{{ m() }}",
    # filter blocks, generation
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aXa{% endfilter %}", "{% filter nosuch %}a{% endfilter %}", "{% for x in l %}{% filter upper %}a{% if x == 1 %}{% break %}{% endif %}b{% endfilter %}{% endfor %}z", "{% for x in l %}{% set y %}a{% continue %}{% endset %}{% endfor %}z",
    "a{% generation %}b{{ n }}{% endgeneration %}c", "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}", "\u00e9{% generation %}\u4e16{% endgeneration %}x{% generation %}{% endgeneration %}{% generation %}y{% endgeneration %}", "{% generation %}", "{% for x in l %}\n{%- generation -%} {{ x }} {%- set q = 1 %}{% endgeneration %}{{ q }}{% endfor %}", "{% generation %}{% break %}{% endgeneration %}", "{% generation %}{% set n = 1 %}{{ n }}{% endgeneration %}{{ n }}",
    # look-ups at load time
    "{% if no %}{{ n|nosuch }}{% endif %}ok", "{% if t %}{{ n|nosuch }}{% endif %}", "{% if no %}{% for x in l %}{{ x|nosuch }}{% endfor %}{% endif %}", "{% if no %}{{ n is nosuch }}{% endif %}ok", "{% if no %}{{ raise_exception('x') }}{% endif %}ok", "{{ raise_exception('a ' ~ n) }}",
    "{{ n }}{{ tools }}{{ documents }}{{ bos_token }}", "{% for m in messages %}{{ '<|' + m.role + '|>' + m['content']|trim + eos_token }}{% endfor %}{% if add_generation_prompt %}x{% endif %}", "{{ messages[0]['content'].split('b')[1] }}{{ messages[5].content }}", "{{ messages[5]['content'] }}", "{{ messages[1:][0].role }}{% set messages = messages[1:] %}{{ messages[0].role }}",
    "{{ namespace }}", "{{ joiner }}{{ cycler }}{{ dict }}", "{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set g = l|map('string') %}{{ g|list }}{{ g|list }}", "{% set g = d|items %}{% for a, b in g %}{{ a }}{% endfor %}{% for a, b in g %}{{ a }}{% endfor %}", "{% set r = l|reverse %}{{ r|first }}{{ r|first }}{{ r|list }}", "{{ (l|map('nosuch')) is defined }}", "{{ l|map('string')|last }}", "{{ l|map('string')|length }}",
    "{{ l[0] }}{{ l[0:1] }}{{ n[0:2] }}", "{{ undefined_name[0:1] }}", "{{ d[0:1] }}", "{{ nil[0:1] }}",
]
