"""Writes llama-runtime/src/test/resources/golden/template_cases.json: chat templates and what Jinja2
makes of them with the settings of HF transformers. Needs jinja2 and transformers.

    python tools/golden/make_template_cases.py
"""
import datetime
import itertools
import json
import pathlib

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

OUT = pathlib.Path(__file__).parents[2] / "llama-runtime/src/test/resources/golden/template_cases.json"
NOW = datetime.datetime(2024, 7, 6, 13, 5, 9)
ENVIRONMENT = getattr(_compile_jinja_template, "__wrapped__", _compile_jinja_template)("").environment
ENVIRONMENT.globals["strftime_now"] = lambda format: NOW.strftime(format)

VARIABLES = {
    "s": "Hello, wörld 😀!",
    "blank": "  \t padded\n ",
    "csv": "a,b,,c",
    "n": 7,
    "f": 2.5,
    "t": True,
    "nothing": None,
    "words": ["delta", "Alpha", "charlie", "bravo", "alpha"],
    "numbers": [3, 1, 2],
    "empty": [],
    "d": {"one": 1, "two": [1, 2], "items": "shadow", "three": {"x": "y"}},
    "rows": [
        {"role": "user", "n": 1, "tags": ["a"]},
        {"role": "assistant", "n": 2},
        {"role": "user", "n": 3, "tags": []},
    ],
}

EXPRESSIONS = r"""
1 + 2 * 3 | 1 - 2 - 3 | (1 + 2) * 3 | 7 / 2 | 8 / 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 2 ** 10 | 2 ** -1 | 2 ** 3 ** 2
-n | -n ¦abs | - 2 ** 2 | +3 | 1_000 | 1.5 + 1 | 1e3 | 1.5e-7 | 1e16 | 123456789012345680.0 | 0.1 + 0.2 | 7.5 // 2 | 7.5 % 2 | -7.5 % 2 | f * 2 | 1/3
'a' + 'b' | 'a' 'b' "c" | 'ab' * 3 | [1] * 2 | [1] + [2, 3] | (1, 2) + (3,) | 'a' ~ 1 ~ none ~ true ~ 1.0 ~ missing | 1 ~ 2 + 3 | 'x' ~ [1, 'a'] | n ~ s
true | false | none | True | None | nothing | t | [true, none, 1.0, 'it\'s', "q\"q", 'a\nb'] | (1,) | () | [] | {} | {'a': 1, 'b': [1, {'c': none}]} | [1, 2,] | {'a': 1,}
n > 3 | n >= 7 | n < 3 | n <= 7 | n == 7 | n == 7.0 | n != 7 | 1 < 2 < 3 | 1 < 3 < 2 | 'a' < 'b' | 'a' < 'B' | [1, 2] < [1, 3] | true == 1 | none == false | 'a' == "a" | [1] == [1] | (1,) == [1] | missing == none | missing == missing
t and n | t and missing | missing or 'x' | '' or 0 | 0 and 1 | not t | not missing | not not n | not n == 7 | not 1 in [1] | t and not empty
1 in [1, 2] | 3 not in [1, 2] | 'ell' in s | 'zz' in s | 'one' in d | 'x' not in d | 1 in missing | 'a' in ('a', 'b') | 1 in (1,) and 2 not in [1]
'yes' if t else 'no' | 'yes' if not t else 'no' | 'yes' if not t | ('a' if n == 1 else 'b' if n == 7 else 'c') | 1 if t else 2 if t else 3
d.one | d['one'] | d.three.x | d['three']['x'] | d.missing | d['missing'] | d['items'] | d.missing is defined | s.missing | n.missing | none.missing | nothing.x is defined
words[0] | words[-1] | words[9] | words[-9] | words[1:3] | words[:2] | words[2:] | words[::-1] | words[::2] | words[-2:] | words[:-1] | words[4:1:-1] | words[10:] | words[-10:2] | words[1:][0] | words[:0] | numbers[::-1][0] | (1, 2, 3)[1:] | words[true]
s[0] | s[-1] | s[-2] | s[0:5] | s[::-1] | s[7:] | s[:-1] | s[13:15] | s[100] | s[::2] | ''[0] | s['x'] | words['x'] | words.0 | words.1[0] | numbers.0 + 1
blank.strip() | '[' ~ blank.strip() ~ ']' | '[' ~ blank.lstrip() ~ ']' | '[' ~ blank.rstrip() ~ ']' | 'xxaxx'.strip('x') | 'xyaxy'.lstrip('yx') | 'xyaxy'.rstrip('yx') | '\u00a0a\u3000'.strip() | 'a\x1c'.strip() ~ '.' | '😀a😀'.strip('😀')
s.startswith('Hello') | s.startswith(('x', 'H')) | s.endswith('!') | s.endswith(('x',)) | csv.split(',') | csv.split(',', 1) | csv.rsplit(',', 1) | ' a  b '.split() | ' a  b c '.split(none, 1) | ' a  b c '.rsplit(none, 1) | 'aXXbXXc'.split('XX') | 'abc'.split('x') | ''.split() | ''.split(',') | 'a\nb\r\nc\n'.splitlines() | csv.split(',')[-1] | 'aaa'.split('aa') | 'aaa'.rsplit('aa')
s.upper() | s.lower() | "they're bill's 2nd x-ray".title() | 'hELLO wORLD'.capitalize() | 'straße'.upper() | 'a.b.a'.replace('a', 'xy') | 'aaa'.replace('a', 'b', 2) | 'abc'.find('c') | 'abc'.find('x') | '😀b'.find('b') | 'banana'.count('an') | ', '.join(words) | ''.join(['a']) | 'abc'.isdigit() | '12'.isdigit() | ''.isdigit() | 'AB'.isupper() | 'ab1'.islower() | ' '.isspace() | 'ab'.isalpha() | 'a1'.isalnum() | 'abc'.removeprefix('a') | 'abc'.removesuffix('c') | 'abc'.removesuffix('x') | 'a-a'.rfind('a')
d.get('one') | d.get('zz') | d.get('zz', 'dflt') | d.keys()¦list | d.values()¦list | d.items()¦list | d¦items¦list | missing¦items¦list | d¦list | d¦length | d.three.items()¦first
s¦length | words¦length | ''¦length | missing¦length | words¦count | s¦upper | s¦lower | 'hello wORLD-foo (bar)'¦title | 'hELLO'¦capitalize | blank¦trim | 'xxaxx'¦trim('x') | n¦string ~ '!' | none¦string | n¦upper | 'abc'¦reverse | words¦reverse¦list | '😀a'¦reverse
words¦join(', ') | words¦join | numbers¦join('-') | rows¦join(',', attribute='role') | rows¦map(attribute='n')¦join('+') | 'abc'¦join('.') | empty¦join('x') | [1, none, true]¦join(' ') | d¦join(',')
missing¦default('x') | missing¦default | nothing¦default('x') | nothing¦default('x', true) | ''¦default('x', boolean=true) | ''¦d('x') | d.zz¦default([])¦length | n¦default('x') | missing¦default(none)
words¦first | words¦last | empty¦first | empty¦last | s¦first | numbers¦list | 'ab'¦list | numbers¦sort | numbers¦sort(reverse=true) | words¦sort | words¦sort(case_sensitive=true) | rows¦sort(attribute='n', reverse=true)¦map(attribute='n')¦list | words¦unique¦list | words¦unique(true)¦list | numbers¦min | numbers¦max | words¦max | numbers¦sum | rows¦sum(attribute='n') | rows¦sum('n', 10) | {'b': 1, 'a': 2}¦dictsort | {'b': 1, 'a': 2}¦dictsort(by='value')
words¦map('upper')¦list | words¦map('replace', 'a', '_')¦list | rows¦map(attribute='tags', default='-')¦list | rows¦map(attribute='tags.0')¦map('string')¦list | words¦map('length')¦list | words¦select('in', ['delta'])¦list | numbers¦select('odd')¦list | numbers¦reject('odd')¦list | [0, 1, '']¦select¦list | [0, 1, '']¦reject¦list | rows¦selectattr('role', 'equalto', 'user')¦map(attribute='n')¦list | rows¦selectattr('role', '==', 'user')¦list¦length | rows¦rejectattr('role', 'eq', 'user')¦list¦length | rows¦selectattr('tags')¦list¦length | rows¦selectattr('tags', 'defined')¦list¦length | numbers¦select('>', 1)¦list | numbers¦select('divisibleby', 3)¦list | rows¦selectattr('n', 'gt', 1)¦map(attribute='n')¦sum
d¦tojson | d¦tojson(indent=2) | d¦tojson(indent=0) | rows¦tojson | rows¦tojson(indent=4) | s¦tojson | s¦tojson(ensure_ascii=true) | 'a"b\\c\n\t\x01\x7f'¦tojson | [1.0, 1e20, true, none]¦tojson | {'b': 1, 'a': 2}¦tojson(sort_keys=true) | d¦tojson(separators=(',', ':')) | []¦tojson(indent=2) | {}¦tojson(indent=2) | '<a href="x">&</a>'¦tojson | (1, 2)¦tojson | {1: 2, none: 3}¦tojson | 0.1¦tojson | '\u2028'¦tojson
'3'¦int | '3.7'¦int | 'x'¦int | 'x'¦int(5) | 3.9¦int | -3.9¦int | '0x1f'¦int(base=16) | true¦int | none¦int | '2.5'¦float | 'x'¦float | 'x'¦float(1.5) | 3¦float | 2.5¦round | 3.5¦round | 2.567¦round(2) | 2.567¦round(1, 'floor') | 2.51¦round(method='ceil') | 7¦round | 1.005¦round(2) | -3¦abs | -2.5¦abs | ' 4 '¦int
'a\nb\n\nc'¦indent | 'a\nb\n\nc'¦indent(2, true) | 'a\nb\n\nc'¦indent(2, blank=true) | 'a\nb'¦indent('> ') | ''¦indent | 'a\n'¦indent | 'a'¦indent(first=true) | 'abcabc'¦replace('b', '') | 'aaa'¦replace('a', 'b', 1) | 12¦replace(1, 3) | 'x'¦safe | d¦attr('one') is defined
n is defined | missing is defined | missing is undefined | nothing is none | n is none | s is string | n is string | n is number | f is number | t is number | n is integer | t is integer | f is float | t is boolean | n is boolean | t is true | false is false | n is true | d is mapping | words is mapping | words is sequence | d is sequence | n is sequence | s is iterable | n is iterable | missing is iterable | range is callable | n is callable
n is odd | n is even | n is divisibleby 7 | n is divisibleby(2) | n is not odd | n is eq 7 | n is equalto 7 | n is ne 7 | n is gt 3 | n is lt 3 | n is ge 7 | n is le 6 | n is in [1, 7] | n is not in [1, 7] | 'abc' is lower | 'ABC' is upper | 'Abc' is lower | none is sameas none | n is defined and s is string | 'a' if n is odd else 'b' | n is not none and n > 3 | missing is not defined or true | not n is odd | n is greaterthan 3 | 'upper' is filter | 'nope' is filter | 'odd' is test | words¦length is gt 3 | 1 is eq 1 == true
range(3)¦list | range(1, 4)¦list | range(5, 0, -2)¦list | range(0)¦list | dict(a=1, b=2) | dict({'a': 1}, b=2) | dict([('a', 1)]) | namespace(x=3).x | namespace({'x': 4}).x | namespace().x is defined | strftime_now('%d %b %Y') | strftime_now('%Y-%m-%d %H:%M:%S') | strftime_now('%A, %B %-d, %y %I %p %j %%') | 1, 2 | 'a', | missing | missing ~ 'x' | words¦length > 3 and 'x' or 'y'
'tab\there' | 'back\\slash' | 'q\'q' | "d\"d" | 'u\u00e9\x41\U0001F600' | 'oct\101' | 'unknown\q' | {'a': {'b': {'c': 1}}}.a.b.c | {'}}': '%}'}['}}'] | [[1, 2], [3]][0][1] | ({'a': 1}).a | 'a' in 'abc' and 'b' in 'abc' | words¦map('first')¦join | [1, 2, 3]¦last | -1¦string | n*2+1 | n>3and t | 'x'if t else'y' | d|length
"""

ERRORS = r"""
{{ missing.x }} §{{ missing['x'] }} §{{ missing + 1 }} §{{ missing() }} §{{ d.missing.deeper }} §{{ 1 + 'a' }} §{{ 'a' + 1 }} §{{ 1 < 'a' }} §{{ missing < 1 }} §{{ 1 / 0 }} §{{ 5 % 0 }}
{{ s.nope() }} §{{ n() }} §{{ words.append(1) }} §{{ d.update({}) }} §{{ d.pop('one') }} §{% set d.x = 1 %} §{% set a, b = [1, 2, 3] %} §{% for a, b in [1] %}{% endfor %} §{{ n¦length }} §{% for x in n %}{% endfor %}
{{ raise_exception('no way') }} §{% if n == 7 %}{{ raise_exception('roles ' + 'alternate') }}{% endif %} §{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }} §{% macro m(a) %}{% endmacro %}{{ m(b=1) }}
{{ 1 ¦ nofilter }} §{{ 1 is notest }} §{% nope %} §{% if n %} §{% endif %} §{% for x in words %} §{{ 1 §{{ 'a }} §{# never ends §{% raw %}x §{{ 1 + }} §{{ (1 }} §{{ [1, 2 }} §{{ ) }} §{% set x %} §{% else %} §{{ a b }} §{% for in x %}{% endfor %} §{% if %}{% endif %} §{{ }} §{% do words %}
{{ range(1000000) }} §{{ 'a' in n }} §{{ missing in 'abc' }} §{{ 1 in 'abc' }} §{{ missing¦tojson }} §{{ range¦tojson }} §{{ -'a' }} §{{ n.missing.x }} §{{ [1]+(2,) }} §{{ ','.join([1]) }} §{{ 'abc'.split('') }} §{% set ns = namespace(_x=1) %} §{{ nothing¦length }} §{{ numbers¦sort(bogus=1) }} §{{ words¦join(1, 2, 3) }} §{{ ([1, 'a'])¦sort }} §{{ d['x']['y'] }}
"""

STATEMENTS = r"""
{% if t %}a{% endif %}§{% if not t %}a{% else %}b{% endif %}§{% if n == 1 %}1{% elif n == 7 %}7{% elif t %}t{% else %}e{% endif %}§{% if missing %}x{% elif empty %}y{% else %}z{% endif %}§{% if t %}{% if not t %}a{% else %}b{% endif %}c{% endif %}
{% for w in words %}{{ w }},{% endfor %}§{% for w in empty %}x{% else %}none{% endfor %}§{% for w in words %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }} {% endfor %}
{% for w in words %}{{ loop.previtem }}<{{ w }}>{{ loop.nextitem }} {% endfor %}§{% for w in words %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}§{% for w in words if w != 'bravo' %}{{ loop.index }}{{ w }}{{ ' last' if loop.last }} {% endfor %}§{% for w in words if w == 'zz' %}x{% else %}no{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}§{% for k in d %}{{ k }};{% endfor %}§{% for k, v in d¦dictsort %}{{ k }};{% endfor %}§{% for c in 'a😀' %}[{{ c }}]{% endfor %}§{% for (a, b) in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}§{% for a, in [(1,), (2,)] %}{{ a }}{% endfor %}§{% for x in missing %}x{% else %}e{% endfor %}§{% for x in 1, 2 %}{{ x }}{% endfor %}
{% for x in numbers %}{% for y in words %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}§{% for x in numbers %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{% endfor %}{% endfor %}§{% for x in words %}{{ loop.cycle('odd', 'even') }} {% endfor %}§{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}§{% for x in numbers %}{{ loop.depth }}{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}§{% for x in [1, 2] %}{% for y in [1, 2] %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}§{% for x in [1] %}{% break %}{% else %}e{% endfor %}§{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{% else %}e{% endfor %}§{% for x in [1, 2] %}{% continue %}{% else %}e{% endfor %}
{% set x = 1 %}{{ x }}§{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}§{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}§{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}§{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}§{% set a, b = 1, 2 %}{{ b }}{{ a }}§{% set x = 1, 2 %}{{ x }}§{% set (a, b) = (3, 4) %}{{ a }}{{ b }}
{% set x %}a{{ n }}b{% endset %}[{{ x }}]§{% set x ¦ upper %}a{{ n }}b{% endset %}{{ x }}§{% set x ¦ trim ¦ replace('a', 'z') %} a {% endset %}[{{ x }}]§{% set ns = namespace() %}{% set ns.y %}block{% endset %}{{ ns.y }}§{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}§{% set x = 5 %}{% set x %}{{ x }}{% endset %}{{ x }}
{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}§{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}§{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}§{% macro m() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ m() }}§{% set y = 1 %}{% macro m() %}{{ y }}{% endmacro %}{{ m() }}§{% macro m() %}{% set z = 1 %}{{ z }}{% endmacro %}{{ m() }}{{ z is defined }}§{% macro m() %}  x  {% endmacro %}[{{ m()¦trim }}]§{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}§{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}§{% macro m(a) -%} {{ a }} {%- endmacro %}{{ m(*[9]) }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ n }}{% endcall %}§{% macro m(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) m(3) %}{{ y }}{% endcall %}§{% filter upper %}a{{ s }}{% endfilter %}§{% filter replace('a', 'b')¦trim %} aXa {% endfilter %}§{% with x = 1, y = 2 %}{{ x + y }}{% endwith %}{{ x is defined }}§{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}§{% generation %}gen{{ n }}{% endgeneration %}.§{% set g = 1 %}{% generation %}{% set g = 2 %}{{ g }}{% endgeneration %}{{ g }}
{% raw %}{{ not }} {% code %}{% endraw %}x§a{# comment #}b§a{#- comment -#} b§{# multi
line #}
x§{% raw -%}  a  {%- endraw %}  b§ {%- raw %} a {% endraw -%} b§x {% raw %}
 y
 {% endraw %}
z§{{ '{{' }}{{ '%}' }}§{ { } } {%§{{"a"}}{{-"b"-}}   {{"c"}}§a {{- n }} b§a {{ n -}} b§a {{+ n }} b§{{-n}}§{{ - n }}§{{ n-1 }}§plain§§
§
{% if t %}
a
{% endif %}
b
§  {% if t %}
  a
  {% endif %}
b§  {{ n }}
  {{ n }}
§x  {% if t %} y  {% endif %}  z§  {%+ if t %}
a{% endif +%}
b§a
{%- if t -%}
  b
{%- endif -%}
c§a
  {# c #}
b§a
  {#- c -#}
b§line
   {% for x in numbers %}
   - {{ x }}
   {% endfor %}
end§{% for x in numbers -%}
  {{ x }}
{%- endfor %}

last§{{ n }}
§{{ n }}

§a {% set q = 1 %}
b§a
{% set q = 1 -%}

  b§{{ n }}{% set q = 1 %}
  {{ q }}§x{% if t %} {% endif %}y§{{ '\n' }}   {% if t %}a{% endif %}§{% if t %}
   {% if t %}a{% endif %}
{% endif %}
"""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Says the weather \"now\" at a place – d'accord?",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
]

# Written for these tests in the manner of the families' own templates.
TEMPLATES = {
    "chatml": (
        "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nBe helpful.<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "inst": """{% if messages[0]['role'] == 'system' %}
    {% set rest = messages[1:] %}
    {% set system = messages[0]['content'] %}
{% else %}
    {% set rest = messages %}
    {% set system = false %}
{% endif %}
{% for m in rest %}
    {% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {% if loop.index0 == 0 and system != false %}
        {% set text = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m['content'] %}
    {% else %}
        {% set text = m['content'] %}
    {% endif %}
    {% if m['role'] == 'user' %}
        {{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
    {% elif m['role'] == 'assistant' %}
        {{ ' ' + text.strip() + ' ' + eos_token }}
    {% endif %}
{% endfor %}""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set users = turns | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for m in turns %}
    {%- if not (m.role == "tool" or (m.tool_calls is defined and m.tool_calls is not none)) %}
        {%- if (m["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for m in turns %}
    {%- if m["role"] == "user" %}
        {%- if tools is not none and (m == users[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}, {% else %}]{% endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + m["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + m["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif m["role"] == "assistant" %}
        {{- " " + m["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system message comes first, so that it can be put where it belongs. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- "Answer with JSON.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first + "<|eot_id|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one tool call at once") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "thinking": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' ~ content ~ '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "macros": """{%- macro kind(spec) -%}
    {%- if spec.type is string -%}{{ spec.type|upper }}
    {%- elif spec.type -%}[{%- for t in spec.type -%}{{ t }}{{ "|" if not loop.last }}{%- endfor -%}]
    {%- else -%}any{%- endif -%}
{%- endmacro -%}
{%- macro properties(spec, depth=0, sep='; ') -%}
    {%- for name, p in spec.properties|dictsort -%}
        {{ '  ' * depth }}{{ name }}: {{ kind(p) }}{{ '?' if name not in spec.get('required', []) }}{{ sep if not loop.last }}
        {%- if p.properties is defined %} { {{ properties(p, depth=depth + 1) }} }{% endif -%}
    {%- endfor -%}
{%- endmacro -%}
{%- macro turn(role) -%}<|{{ role }}|>
{{ caller() }}<|end|>
{% endmacro -%}
{{ bos_token }}
{%- for tool in tools or [] %}
fn {{ tool.function.name }}({{ properties(tool.function.parameters) }})
{% endfor -%}
{%- for m in messages if m.role in ['system', 'user', 'assistant'] %}
{% call turn(m.role) %}{{ m.content | trim | replace('\\n\\n', '\\n') }}{% endcall %}
{% endfor -%}
{% if add_generation_prompt %}<|assistant|>
{% endif %}""",
    "generation": """{% for message in messages %}
{% if message['role'] == 'assistant' %}
{% generation %}
{{ 'A: ' + message['content'] + eos_token }}
{% endgeneration %}
{% else %}
{{ message['role'][0]|upper ~ ': ' ~ message['content'] }}
{% endif %}
{% endfor %}
{{ 'A:' if add_generation_prompt else '' }}""",
}

CONVERSATIONS = {
    "one": [{"role": "user", "content": "Hi!"}],
    "system": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "What is 1+1?\n"}],
    "many": [
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nc"},
        {"role": "user", "content": "d {{ not a tag }} 😀"},
    ],
    "answered": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>why</think>because"}],
    "disorder": [{"role": "assistant", "content": "first"}, {"role": "assistant", "content": "again"}],
    "empty": [{"role": "user", "content": ""}],
}


def split(text, separator):
    return [part.strip(" ").replace("¦", "|") for part in text.split(separator)]


def constructs():
    for line in EXPRESSIONS.strip().split("\n"):
        for expression in line.split(" | "):
            yield "{{ " + expression.replace("¦", "|") + " }}"
    for line in ERRORS.strip().split("\n"):
        yield from split(line, "§")
    for part in STATEMENTS.split("§"):
        yield part.replace("¦", "|")
    for open_, close, before, after in itertools.product(("", "-", "+"), ("", "-", "+"), ("x", "x  ", "x\n  "), ("y", "\n y", "  \n\ny")):
        yield "%s{%%%s if t %s%%}%sz" % (before, open_, close, after) + "{% endif %}"
        yield "%s{#%s c %s#}%sz" % (before, open_, close, after)
        if close != "+":
            yield "%s{{%s n %s}}%sz" % (before, open_, close, after)
        yield "%s{%%%s raw %%}%s{%% endraw %s%%}%sz" % (before, open_, after, close, before)


def case(name, template, variables):
    result = {"name": name, "template": template}
    try:
        result["expected"] = ENVIRONMENT.from_string(template).render(**variables)
    except Exception as e:
        result["error"] = "%s: %s" % (type(e).__name__, e)
    return result


def main():
    cases = [case("construct %d" % i, t, VARIABLES) for i, t in enumerate(dict.fromkeys(constructs()))]
    chats = []
    for (name, template), (chat, messages), tools, generate in itertools.product(
        TEMPLATES.items(), CONVERSATIONS.items(), (None, TOOLS), (True, False)
    ):
        variables = {
            "messages": messages,
            "tools": tools,
            "documents": None,
            "add_generation_prompt": generate,
            "bos_token": "<s>",
            "eos_token": "</s>",
        }
        made = case("%s %s%s%s" % (name, chat, " tools" if tools else "", " generate" if generate else ""), name, {})
        made.update(case(made["name"], template, variables))
        made.update(template=name, chat=chat, tools=tools is not None, generate=generate)
        if "error" in made:
            made.pop("expected", None)
        chats.append(made)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps(
            {
                "made_by": "tools/golden/make_template_cases.py",
                "jinja2": jinja2.__version__,
                "transformers": transformers.__version__,
                "now": NOW.isoformat(),
                "variables": VARIABLES,
                "cases": cases,
                "tools": TOOLS,
                "conversations": CONVERSATIONS,
                "templates": TEMPLATES,
                "chats": chats,
            },
            ensure_ascii=False,
            indent=0,
        )
        + "\n",
        encoding="utf-8",
    )
    print(len(cases), "constructs,", sum("error" in c for c in cases), "of them errors;", len(chats), "chats ->", OUT)


if __name__ == "__main__":
    main()
