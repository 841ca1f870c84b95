"""molt.policy.expression: CEL over an alert.

true | false | missing key, guarded and not | another type than bool, told at once or at run time | syntax, unknown name
numbers beyond int64 and uint64, lists, tuples, null | steps without end | without the library
"""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from molt.policy import expression

ALERT: dict[str, Any] = {
    "rule": "Terminal shell in container",
    "priority": "Notice",
    "hostname": None,
    "tags": ["container", "mitre_execution"],
    "outputFields": {
        "proc.name": "bash",
        "proc.args": ("-c", "id"),
        "proc.vpid": 1,
        "evt.rawtime": 2**63 + 7,
        "beyond": 2**64,
        "below": -(10**400),
    },
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("alert.priority == 'Notice'", True),
        ("alert.rule.startsWith('Web')", False),
        ("'mitre_execution' in alert.tags", True),
        ("alert.tags.exists(tag, tag.matches('^mitre_'))", True),
        ("alert.outputFields['proc.name'] in ['sh', 'bash']", True),
        ("'fd.name' in alert.outputFields && alert.outputFields['fd.name'] == '/etc/shadow'", False),
        ("alert.outputFields['proc.args'][0] == '-c'", True),
        ("alert.hostname == null", True),
        ("alert.outputFields['proc.vpid'] < 2", True),
        # Exact: a double could not tell this number from its neighbour.
        ("alert.outputFields['evt.rawtime'] == 9223372036854775815u", True),
        ("alert.outputFields['evt.rawtime'] > 5", True),
        ("alert.outputFields['beyond'] > 1e19", True),
        ("alert.outputFields['below'] < -1e300", True),
    ],
)
def test_an_expression_is_true_or_false_of_an_alert(source: str, *, expected: bool) -> None:
    """Every field of the alert can be asked for, with whatever number stands in it."""
    assert expression.check(source) is None
    assert expected is expression.evaluate(source, ALERT)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("alert.outputFields['fd.name'] == 'x'", 'Key not found in map : "fd.name"'),
        ("alert.priority", "gives STRING, not BOOL"),
        ("alert.rule.matches('(')", "invalid regular expression: missing ): ("),
        ("alert.outputFields['proc.vpid'] / 0 == 1", "divide by zero"),
        (
            f"[{'1,' * 99}1].all(a, [{'1,' * 99}1].all(b, [{'1,' * 99}1].all(c, [{'1,' * 99}1].all(d, true))))",
            "Iteration budget exceeded",
        ),
    ],
)
def test_what_cannot_be_evaluated_says_why(source: str, reason: str) -> None:
    """A missing field, another type, a bad regular expression or steps without end is an error, not a match."""
    assert expression.check(source) is None
    with pytest.raises(expression.ExpressionError) as caught:
        expression.evaluate(source, ALERT)
    assert reason == str(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("alert.rule", None),
        ("1 + 1", "gives INT, not BOOL"),
        ("event.rule == 'x'", "1:6: undeclared reference to 'event.rule'"),
        ("alert.rule == 'x", "1:15: Syntax error: token recognition error at: ''x'"),
    ],
)
def test_what_is_no_expression_is_told_when_it_is_read(source: str, problem: str | None) -> None:
    """Syntax, names and a type known in advance are checked without an alert; line and column are told."""
    assert problem == expression.check(source)


def test_a_message_of_an_unknown_shape_is_shown_as_it_is() -> None:
    """Whatever the library says, it is one line."""
    assert "" == expression._one_line("")
    assert "plain" == expression._one_line("plain\nsecond line")


def test_without_the_library_an_expression_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named; nothing else of a policy needs it."""
    imported = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cel_expr_python":
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    expression._environment.cache_clear()
    expression._compile.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert "needs the package cel-expr-python (extra `cel`)" == expression.check("true")
    monkeypatch.undo()
    assert expression.check("true") is None
