"""Templates: every tag by hand, and their bounds."""

from __future__ import annotations

import time

import pytest

from n2d2.ini.template import Renderer, TemplateError


def render(text: str, **variables: str) -> str:
    return Renderer({"part": "<{{A}}>", "self": "{% include self %}"}.__getitem__).render(text, variables)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("a {{A}} b", "a 1 b"),
        ("{% if A == 1 %}yes{% else %}no{% endif %}", "yes"),
        ("{% if A != 1 %}yes{% else %}no{% endif %}", "no"),
        ("{% if A == 2 %}yes{% endif %}", ""),
        ("{% if Z exists %}yes{% else %}no{% endif %}", "no"),
        ("{% if Z not_exists %}yes{% endif %}", "yes"),
        ("{% for i in range(N) %}{{i}},{% endfor %}", "0,1,2,"),
        ("{% for i in range(1, N) %}{{i}},{% endfor %}", "1,2,"),
        ("{% for i in range(2,2) %}x{% endfor %}", ""),
        ("{% for i in range(2) %}{% for j in range(2) %}{{i}}{{j}} {% endfor %}{% endfor %}", "00 01 10 11 "),
        ("{% set V %}<{{A}}>{% endset %}{{V}}{{V}}", "<1><1>"),
        ("{% include part %}", "<1>"),
        ("{%if A == 1%}yes{%endif%}", "yes"),
    ],
)
def test_tags(text: str, rendered: str) -> None:
    assert render(text, A="1", N="3") == rendered


def test_block_shows_the_variables_of_each_turn() -> None:
    variables = {"L": "2", "L[0]size": "3", "L[1]size": "5"}
    assert Renderer(str).render("{% block L %}{{#}}:{{size}} {% endblock %}", variables) == "0:3 1:5 "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n{{B}}", "line 2: 'B' has no value; there are A"),
        ("{{ A }}", "line 1: ' A ' has no value; there are A"),
        ("{% if A == 1 %}", "line 1: {% if %} has no {% endif %}"),
        ("\n{% for i in range(2) %}", "line 2: {% for %} has no {% endfor %}"),
        ("{% endif %}", "line 1: {% endif %} ends nothing"),
        ("{% else %}", "line 1: {% else %} ends nothing"),
        ("{% while A %}", "line 1: {% while %} is not a tag; there are if, else"),
        ("{% for A in range(2) %}{% endfor %}", "line 1: the variable A of a loop must be a new one"),
        ("{% for i in A %}{% endfor %}", "line 1: expected {% for i in range(n) %} or {% for i in range(a, b) %}"),
        ("{% for i in range(Q) %}{% endfor %}", "line 1: 'Q' has no value"),
        ("{% for i in range(T) %}{% endfor %}", "line 1: T is 'x', expected an integer of at most 9 digits"),
        ("{% for i in range(999999999) %}{% endfor %}", "line 1: a loop of 999999999 turns is too long"),
        ("{% for i in range(9999999999) %}{% endfor %}", "line 1: '9999999999' has no value"),
        ("{% if A==1 %}{% endif %}", "line 1: expected {% if NAME == word %}, !=, exists or not_exists"),
        ("{% block A B %}{% endblock %}", "line 1: expected {% block NAME %}"),
        ("{% set %}{% endset %}", "line 1: expected {% set NAME %}"),
        ("{% include %}", "line 1: expected {% include file %}"),
        ("{% include self %}", "line 1: files are included more than 8 deep"),
        ("{% if A == 1 %}" * 40 + "{% endif %}" * 40, "line 1: tags are nested more than 32 deep"),
        (
            "{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}",
            "line 1: more than 200000 steps are too many",
        ),
        ("{% for i in range(9000) %}" + "x" * 1000 + "{% endfor %}", "line 1: the text is longer than 4 MiB"),
    ],
)
def test_refused(text: str, problem: str) -> None:
    start = time.perf_counter()
    with pytest.raises(TemplateError) as caught:
        render(text, A="1", **({"T": "x"} if "range(T)" in text else {}))
    assert str(caught.value).startswith(problem)
    assert time.perf_counter() - start < 1
