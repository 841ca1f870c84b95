"""One table of policies, valid and not, with the parser's words about each; the CRDs must agree on it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RESPONSE, ROTATION = "ResponsePolicy", "RotationPolicy"
PRIORITIES = "Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug"
REMEDIES = "cordon, evidence, quarantine, rotate, tag, terminate"
ONE_REMEDY = f"must have exactly one of {REMEDIES} (one without parameters is written `quarantine: {{}}`)"
ONE_LIFETIME = "spec.lifetime: must have either every, or both min and max"
LABEL = "x" * 63
SECRET = {"name": "db", "keys": ["password"], "lifetime": {"every": "24h"}}
WEB = {"kind": "Deployment", "name": "web"}
NOT_A_KEY = "is not a key of letters, digits, -, _ and . that does not end in -previous"
NOT_A_NAME = "is not a name of lower-case letters, digits, - and ."


@dataclass(frozen=True, slots=True)
class Verdict:
    """A spec, and every problem that the parser finds; none: it is valid."""

    about: str
    kind: str
    spec: Any
    problems: tuple[str, ...] = ()

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the whole object."""
        return manifest(self.kind, self.spec)


def manifest(kind: str, spec: Any) -> dict[str, Any]:
    """Return an object of `kind` with a name and `spec`."""
    metadata = {"name": "under-test"} | ({"namespace": "default"} if kind == ROTATION else {})
    return {"apiVersion": "molt-project.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _response(about: str, *problems: str, match: Any = None, **spec: Any) -> Verdict:
    return Verdict(about, RESPONSE, {"match": match or {}, "remedies": [], **spec}, problems)


def _remedies(about: str, *problems: str, remedies: list[Any]) -> Verdict:
    return _response(about, *(f"spec.remedies{problem}" for problem in problems), remedies=remedies)


def _rotation(about: str, *problems: str, **spec: Any) -> Verdict:
    return Verdict(about, ROTATION, {"selector": {}, "lifetime": {"every": "1h"}, **spec}, problems)


def _lifetime(about: str, *problems: str, **lifetime: Any) -> Verdict:
    return _rotation(about, *problems, lifetime=lifetime)


def _window(about: str, *problems: str, **window: Any) -> Verdict:
    found = tuple(f"spec.windows[0]{problem}" for problem in problems)
    return _rotation(about, *found, windows=[{"cron": "0 2 * * *", "duration": "1h"} | window])


def _reconfigure(about: str, *problems: str, dimensions: Any) -> Verdict:
    found = tuple(f"spec.reconfigure{problem}" for problem in problems)
    return _rotation(about, *found, strategy="Reconfigure", reconfigure=dimensions)


def _dimension(about: str, *problems: str, **dimension: Any) -> Verdict:
    found = [f"[1]{problem}" for problem in problems]
    return _reconfigure(about, *found, dimensions=[BUILD, {"name": "under-test"} | dimension])


def _secret(about: str, *problems: str, **secret: Any) -> Verdict:
    found = tuple(f"spec.secrets[0]{problem}" for problem in problems)
    return _rotation(about, *found, secrets=[SECRET | secret])


def _selector(about: str, *problems: str, **selector: Any) -> Verdict:
    return _rotation(about, *problems, selector=selector)


FULL_RESPONSE: dict[str, Any] = {
    "mode": "Enforce",
    "order": 7,
    "match": {
        "rules": ["Web Server *", "Terminal shell in container"],
        "minimumPriority": "Warning",
        "tags": ["mitre_*", "T1059"],
        "sources": ["syscall"],
        "namespaces": ["shop-?", "prod*"],
        "podSelector": {
            "matchLabels": {"app": "web", "example.com/tier": ""},
            "matchExpressions": [
                {"key": "zone", "operator": "In", "values": ["a", "b"]},
                {"key": "zone", "operator": "Exists"},
            ],
        },
        "expression": "alert.priority == 'Critical'",
    },
    "remedies": [
        {"tag": {}},
        {"evidence": {"ifMissing": "Stop", "checkpoint": True, "logLines": 100}},
        {
            "quarantine": {
                "ifLeaky": "CordonNode",
                "statefulSet": "Terminate",
                "keepOnRelease": "Replacement",
                "retention": {"after": "90m", "then": "Release"},
            }
        },
        {"rotate": {"scope": "Workload", "strategy": "Evict"}},
        {"terminate": {"force": True}},
        {"cordon": {"for": "24h"}},
        {"rotate": {}},
    ],
    "limits": {"perWorkload": "30%", "perMinute": 5},
}
FULL_ROTATION: dict[str, Any] = {
    "mode": "Enforce",
    "selector": {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "a/b", "operator": "NotIn", "values": [""]},
            {"key": "c", "operator": "DoesNotExist", "values": []},
        ],
    },
    "lifetime": {"min": "30m", "max": "1h30m"},
    "strategy": "Evict",
    "maxMoving": "25%",
    "minReady": "75%",
    "minAge": "90s",
    "windows": [
        {"cron": "0 2 * * MON-FRI", "duration": "4h", "timeZone": "Europe/Berlin"},
        {"cron": "*/15 0-6,22-23 1,15 jan-Mar *", "duration": "90m"},
    ],
    "blackouts": [{"cron": "30 23 31 12 *", "duration": "1h", "timeZone": "Etc/GMT+5"}],
    "underAttack": {"factor": 2.5, "for": "1h"},
    "secrets": [
        {
            "name": "db.credentials",
            "keys": ["password", "API_KEY.v1"],
            "lifetime": {"min": "12h", "max": "24h"},
            "length": 64,
            "alphabet": "hex",
            "dependants": [{"kind": "StatefulSet", "name": "db"}, {"kind": "Deployment", "name": "web"}],
            "overlap": "1h",
        }
    ],
}

ATTACKS: list[Any] = [None, {"factor": 1.01, "for": "1s"}, {"factor": 100, "for": "8760h"}]
BAD_ATTACKS: list[tuple[Any, tuple[str, ...]]] = [
    ({}, ("spec.underAttack.factor: missing", "spec.underAttack.for: missing")),
    ({"factor": 4}, ("spec.underAttack.for: missing",)),
    ({"for": "1h"}, ("spec.underAttack.factor: missing",)),
    ({"factor": 1, "for": "1h"}, ("spec.underAttack.factor: 1 is not more than 1 and at most 100",)),
    ({"factor": 100.5, "for": "1h"}, ("spec.underAttack.factor: 100.5 is not more than 1 and at most 100",)),
    ({"factor": "4", "for": "1h"}, ("spec.underAttack.factor: must be a number, not a string",)),
    ({"factor": True, "for": "1h"}, ("spec.underAttack.factor: must be a number, not a boolean",)),
    ({"factor": 4, "for": "0s"}, ('spec.underAttack.for: "0s" is not in 1s..8760h',)),
    ({"factor": 4, "for": "1h", "until": "x"}, ("spec.underAttack.until: unknown field",)),
    ("now", ("spec.underAttack: must be an object, not a string",)),
]
DIGEST = "sha256:" + "0" * 64
BUILD: dict[str, Any] = {
    "name": "build",
    "image": {"container": "main", "variants": ["web:a", f"registry:5000/x/web@{DIGEST}"]},
}
PORT: dict[str, Any] = {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090]}
FULL_RECONFIGURE: dict[str, Any] = {
    "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    "lifetime": {"every": "1h"},
    "strategy": "Reconfigure",
    "reconfigure": [
        BUILD,
        {"name": "port", "port": {**PORT, "pin": 9090}},
        {"name": "decoy", "environment": {"container": "main", "name": "DB_HOST", "variants": ["a b", "ä", "c"]}},
        {"name": "identity", "serviceAccountName": {"variants": ["web.a", "b"], "pin": "b"}},
        {"name": "pool", "nodeSelector": {"key": "example.com/pool", "variants": ["x", "y"]}},
        {"name": "runtime", "runtimeClassName": {"variants": ["gvisor", "kata"]}},
        {"name": "version", "label": {"key": "version", "variants": ["1.0", "2.0"]}},
    ],
}
KINDS = "image, port, environment, serviceAccountName, nodeSelector, runtimeClassName, label"

LABELS = {"labels": {"a": "b"}}
LEAKY = '"terminate" is not one of Keep, Terminate, CordonNode; did you mean "Terminate"?'
RETENTIONS: list[tuple[Any, tuple[str, ...]]] = [
    (None, ()),
    ({"after": "1s"}, ()),
    ({"after": "8760h", "then": "Keep"}, ()),
    ({"after": "24h", "then": "Terminate"}, ()),
    ({}, ("[0].quarantine.retention.after: missing",)),
    ({"then": "Release"}, ("[0].quarantine.retention.after: missing",)),
    ({"after": "999ms"}, ('[0].quarantine.retention.after: "999ms" is not in 1s..8760h',)),
    ({"after": "8760h1s"}, ('[0].quarantine.retention.after: "8760h1s" is not in 1s..8760h',)),
    ({"after": 60}, ("[0].quarantine.retention.after: 60 is not a duration such as 1h30m, 90s or 500ms",)),
    (
        {"after": "1h", "then": "Drop"},
        ('[0].quarantine.retention.then: "Drop" is not one of Release, Terminate, Keep',),
    ),
]
TERMINATE: dict[str, Any] = {"terminate": {}}
TERMINATED = "comes too late: the pod may be gone after spec.remedies[0] (terminate)"
GOOD_ORDERS: list[list[Any]] = [
    [{"evidence": {}}, {"quarantine": {}}, TERMINATE],
    [{"quarantine": {}}, {"evidence": {}}, TERMINATE],
    [{"evidence": {}}, {"quarantine": {"ifLeaky": "Terminate", "statefulSet": "Terminate"}}, TERMINATE],
    [{"evidence": {}}, {"evidence": {"checkpoint": True}}, {"rotate": {"scope": "Pod"}}],
    [{"rotate": {}}, {"evidence": {}}, {"tag": {}}],
    [{"rotate": {"scope": "Pod"}}, {"quarantine": {}}],
    [TERMINATE, {"rotate": {"scope": "Workload"}}, {"cordon": {}}],
    [{"rotate": {}}] * 7 + [TERMINATE],
]
BAD_ORDERS: list[tuple[list[Any], int, str]] = [
    ([TERMINATE, {"evidence": {}}], 1, f"evidence {TERMINATED}"),
    ([TERMINATE, {"quarantine": {}}], 1, f"quarantine {TERMINATED}"),
    ([TERMINATE, {"rotate": {}}, {"tag": {}}], 2, f"tag {TERMINATED}"),
    ([TERMINATE, TERMINATE], 1, f"terminate {TERMINATED}"),
    ([TERMINATE, *[{"rotate": {}}] * 6, {"evidence": {}}], 7, f"evidence {TERMINATED}"),
    *(
        (
            [{"tag": {}}, {name: parameters}, {"evidence": {}}],
            2,
            f"evidence comes too late: the pod may be gone after spec.remedies[1] ({name})",
        )
        for name, parameters in [
            ("rotate", {"scope": "Pod"}),
            ("rotate", {"scope": "Workload"}),
            ("rotate", {"scope": "Node"}),
            ("rotate", {"scope": "Namespace"}),
            ("quarantine", {"ifLeaky": "Terminate"}),
            ("quarantine", {"statefulSet": "Terminate"}),
        ]
    ),
]

VERDICTS = [
    # The whole.
    Verdict("every field of a ResponsePolicy", RESPONSE, FULL_RESPONSE),
    Verdict("every field of a RotationPolicy", ROTATION, FULL_ROTATION),
    _response("the least of a ResponsePolicy"),
    _rotation("the least of a RotationPolicy"),
    Verdict("an empty ResponsePolicy", RESPONSE, {}, ("spec.match: missing", "spec.remedies: missing")),
    Verdict("an empty RotationPolicy", ROTATION, {}, ("spec.selector: missing", "spec.lifetime: missing")),
    Verdict("no spec", RESPONSE, None, ("spec: missing",)),
    Verdict("a spec that is a list", ROTATION, [], ("spec: must be an object, not a list",)),
    Verdict(
        "null where a value must be",
        RESPONSE,
        {"match": None, "remedies": None},
        ("spec.match: missing", "spec.remedies: missing"),
    ),
    _response("null where a default is", mode=None, order=None, limits={"perWorkload": None, "perMinute": None}),
    _response("an unknown field", 'spec.modes: unknown field, did you mean "mode"?', modes="DryRun"),
    _response("a field of a later version", "spec.evidence: unknown field", evidence=None),
    # mode, order
    _response(
        "a mode in small letters",
        'spec.mode: "enforce" is not one of DryRun, Enforce; did you mean "Enforce"?',
        mode="enforce",
    ),
    _response("an order as text", "spec.order: must be an integer, not a string", order="7"),
    _response("an order as a boolean", "spec.order: must be an integer, not a boolean", order=True),
    _response("an order as a whole float", order=7.0),
    _response("an order as a fraction", "spec.order: must be an integer, not a number", order=7.5),
    _response("an order below 0", "spec.order: -1 is not in 0..1000000", order=-1),
    _response("an order above the most", "spec.order: 1000001 is not in 0..1000000", order=1_000_001),
    # match
    _response(
        "an empty list of rules", "spec.match.rules: must not be empty; leave it out instead", match={"rules": []}
    ),
    _response("rules as text", "spec.match.rules: must be a list, not a string", match={"rules": "Web*"}),
    _response(
        "a rule that is a number", "spec.match.rules[1]: must be a string, not an integer", match={"rules": ["a", 1]}
    ),
    _response("a rule that is null", "spec.match.rules[0]: must be a string, not null", match={"rules": [None]}),
    _response("an empty rule", "spec.match.rules[0]: must not be empty", match={"rules": [""]}),
    _response("a rule twice", 'spec.match.rules[1]: "a" is listed twice', match={"rules": ["a", "a"]}),
    _response("a rule of 256 characters", match={"rules": ["ä" * 256]}),
    _response(
        "a rule of 257 characters",
        "spec.match.rules[0]: has 257 characters, more than 256",
        match={"rules": ["ä" * 257]},
    ),
    _response("128 rules", match={"rules": [str(number) for number in range(128)]}),
    _response(
        "129 rules",
        "spec.match.rules: has 129 items, more than 128",
        match={"rules": [str(number) for number in range(129)]},
    ),
    _response("the singular of rules", 'spec.match.rule: unknown field, did you mean "rules"?', match={"rule": ["a"]}),
    _response(
        "a priority with a slip",
        f'spec.match.minimumPriority: "Critcal" is not one of {PRIORITIES}; did you mean "Critical"?',
        match={"minimumPriority": "Critcal"},
    ),
    _response(
        "a priority like nothing",
        f'spec.match.minimumPriority: "P1" is not one of {PRIORITIES}',
        match={"minimumPriority": "P1"},
    ),
    _response(
        "a priority as a number",
        f"spec.match.minimumPriority: 2 is not one of {PRIORITIES}",
        match={"minimumPriority": 2},
    ),
    _response(
        "a namespace in capitals",
        'spec.match.namespaces[0]: "Shop" is not a name of a namespace, with * and ?',
        match={"namespaces": ["Shop"]},
    ),
    _response("an empty podSelector", match={"podSelector": {}}),
    _response("a podSelector of null", match={"podSelector": None}),
    _response("an empty expression", "spec.match.expression: must not be empty", match={"expression": ""}),
    _response(
        "an expression that is too long",
        "spec.match.expression: has 4098 characters, more than 4096",
        match={"expression": "1" * 4098},
    ),
    # remedies
    _response("remedies as an object", "spec.remedies: must be a list, not an object", remedies={"quarantine": {}}),
    _response("a remedy without its braces", f"spec.remedies[0]: {ONE_REMEDY}", remedies=[{"quarantine": None}]),
    _response("a remedy of null", "spec.remedies[0]: must be an object, not null", remedies=[None]),
    _response("a remedy as text", "spec.remedies[0]: must be an object, not a string", remedies=["quarantine"]),
    _response("two remedies in one", f"spec.remedies[0]: {ONE_REMEDY}", remedies=[{"quarantine": {}, "rotate": {}}]),
    _response(
        "an unknown remedy",
        'spec.remedies[0].quarantin: unknown field, did you mean "quarantine"?',
        f"spec.remedies[0]: {ONE_REMEDY}",
        remedies=[{"quarantin": {}}],
    ),
    _response(
        "a parameter that quarantine has not",
        "spec.remedies[0].quarantine.scope: unknown field",
        remedies=[{"quarantine": {"scope": "Pod"}}],
    ),
    *(
        _remedies(f"a parameter that {name} has not", f"[0].{name}.labels: unknown field", remedies=[{name: LABELS}])
        for name in ("cordon", "evidence", "rotate", "tag", "terminate")
    ),
    *(_remedies(f"the least of {name}", remedies=[{name: {}}]) for name in REMEDIES.split(", ")),
    _remedies(
        "a remedy of a later version",
        "[0].restore: unknown field",
        f"[0]: {ONE_REMEDY}",
        remedies=[{"restore": {}}],
    ),
    *(
        _remedies(f"{name}.{field} of {value!r}", f"[0].{name}.{field}: {said}", remedies=[{name: {field: value}}])
        for name, field, value, said in [
            ("quarantine", "ifLeaky", "terminate", LEAKY),
            ("quarantine", "statefulSet", "Keep", '"Keep" is not one of Isolate, Terminate'),
            ("quarantine", "keepOnRelease", "Both", '"Both" is not one of Released, Replacement'),
            ("quarantine", "retention", "24h", "must be an object, not a string"),
            ("evidence", "ifMissing", "Ignore", '"Ignore" is not one of Continue, Stop'),
            ("evidence", "checkpoint", "yes", "must be a boolean, not a string"),
            ("evidence", "logLines", 0, "0 is not in 1..1000000"),
            ("evidence", "logLines", 1_000_001, "1000001 is not in 1..1000000"),
            ("terminate", "force", 1, "must be a boolean, not an integer"),
            ("cordon", "for", "0s", '"0s" is not in 1s..8760h'),
            ("cordon", "for", "8761h", '"8761h" is not in 1s..8760h'),
            ("cordon", "for", "1d", '"1d" is not a duration such as 1h30m, 90s or 500ms'),
        ]
    ),
    *(
        _remedies(f"a retention of {value}", *problems, remedies=[{"quarantine": {"retention": value}}])
        for value, problems in RETENTIONS
    ),
    *(_remedies(f"{order}", remedies=order) for order in GOOD_ORDERS),
    *(_remedies(f"{order}", f"[{late}]: {said}", remedies=order) for order, late, said in BAD_ORDERS),
    _response(
        "a scope of a later version",
        'spec.remedies[0].rotate.scope: "Cluster" is not one of Siblings, Workload, Pod, Node, Namespace',
        remedies=[{"rotate": {"scope": "Cluster"}}],
    ),
    *(
        _response(
            f"a Restart of {parameters}",
            "spec.remedies[0].rotate: a Restart is of the whole workload: it needs scope Workload",
            remedies=[{"rotate": {"strategy": "Restart", **parameters}}],
        )
        for parameters in ({}, {"scope": "Siblings"}, {"scope": "Pod"}, {"scope": "Node"})
    ),
    _response("a Restart of the workload", remedies=[{"rotate": {"strategy": "Restart", "scope": "Workload"}}]),
    *(
        _response(f"all of a {scope}", remedies=[{"rotate": {"scope": scope, "strategy": "Relocate"}}])
        for scope in ("Node", "Namespace")
    ),
    _rotation("a Restart by the clock", strategy="Restart"),
    _rotation("a Relocate by the clock", strategy="Relocate"),
    _response(
        "quarantine as true",
        "spec.remedies[0].quarantine: must be an object, not a boolean",
        remedies=[{"quarantine": True}],
    ),
    _response("eight remedies", remedies=[{"rotate": {}}] * 8),
    _response("nine remedies", "spec.remedies: has 9 items, more than 8", remedies=[{"rotate": {}}] * 9),
    # limits
    _response("limits of one field", limits={"perMinute": 1}),
    _response("no pod a minute", "spec.limits.perMinute: 0 is not in 1..10000", limits={"perMinute": 0}),
    *(
        _response(
            f"{shown} pods of a workload",
            f'spec.limits.perWorkload: {shown} is neither a count from 1 nor a percentage such as "25%"',
            limits={"perWorkload": value},
        )
        for value, shown in [
            (0, "0"),
            (-1, "-1"),
            (10_001, "10001"),
            (1.5, "1.5"),
            (True, "true"),
            ("1", '"1"'),
            ("0%", '"0%"'),
            ("101%", '"101%"'),
            ("5.5%", '"5.5%"'),
            ("%", '"%"'),
            ([], "[]"),
        ]
    ),
    *(
        _response(f"{value} of a workload", limits={"perWorkload": value})
        for value in (1, 10_000, "1%", "99%", "100%", 2.0)
    ),
    # selector
    _selector("a label that may be empty", matchLabels={"app": ""}),
    _selector("a label of null", matchLabels={"app": None}),
    _selector("the longest key and value", matchLabels={f"{LABEL}.{LABEL}/{LABEL}": LABEL}),
    _selector(
        "a value that is a number",
        'spec.selector.matchLabels["app"]: must be a string, not an integer',
        matchLabels={"app": 1},
    ),
    _selector(
        "a value with a blank",
        'spec.selector.matchLabels["app"]: "a b" is not a label value',
        matchLabels={"app": "a b"},
    ),
    _selector(
        "a value too long",
        'spec.selector.matchLabels["app"]: has 64 characters, more than 63',
        matchLabels={"app": "x" * 64},
    ),
    _selector(
        "a key with a comma", 'spec.selector.matchLabels["a,b"]: "a,b" is not a label key', matchLabels={"a,b": "c"}
    ),
    _selector("an empty key", 'spec.selector.matchLabels[""]: must not be empty', matchLabels={"": "c"}),
    _selector(
        "a key too long",
        f'spec.selector.matchLabels["{"x" * 76}...]: has 318 characters, more than 317',
        matchLabels={"x" * 318: "c"},
    ),
    _selector(
        "a key with two slashes",
        'spec.selector.matchLabels["a/b/c"]: "a/b/c" is not a label key',
        matchLabels={"a/b/c": ""},
    ),
    _selector(
        "a prefix in capitals",
        'spec.selector.matchLabels["A.b/c"]: "A.b/c" is not a label key',
        matchLabels={"A.b/c": ""},
    ),
    _selector(
        "33 labels",
        "spec.selector.matchLabels: has 33 entries, more than 32",
        matchLabels={f"l{number}": "" for number in range(33)},
    ),
    _selector(
        "an expression without anything",
        "spec.selector.matchExpressions[0].key: missing",
        "spec.selector.matchExpressions[0].operator: missing",
        matchExpressions=[{}],
    ),
    _selector(
        "an operator in small letters",
        "spec.selector.matchExpressions[0].operator: "
        '"in" is not one of In, NotIn, Exists, DoesNotExist; did you mean "In"?',
        matchExpressions=[{"key": "a", "operator": "in", "values": ["b"]}],
    ),
    _selector(
        "In without values",
        "spec.selector.matchExpressions[0]: In needs values",
        matchExpressions=[{"key": "a", "operator": "In"}],
    ),
    _selector(
        "NotIn with no values",
        "spec.selector.matchExpressions[0]: NotIn needs values",
        matchExpressions=[{"key": "a", "operator": "NotIn", "values": []}],
    ),
    _selector(
        "Exists with values",
        "spec.selector.matchExpressions[0]: Exists takes no values",
        matchExpressions=[{"key": "a", "operator": "Exists", "values": ["b"]}],
    ),
    _selector(
        "a key that is none",
        'spec.selector.matchExpressions[0].key: "-a" is not a label key',
        matchExpressions=[{"key": "-a", "operator": "DoesNotExist"}],
    ),
    # lifetime, minAge
    _lifetime("no lifetime", ONE_LIFETIME),
    _lifetime("a lifetime both fixed and random", ONE_LIFETIME, every="1h", min="1h", max="2h"),
    _lifetime("a fixed lifetime with a min", ONE_LIFETIME, every="1h", min="1h"),
    _lifetime("a min alone", ONE_LIFETIME, min="1h"),
    _lifetime("a max alone", ONE_LIFETIME, max="1h"),
    _lifetime("a min above the max", "spec.lifetime: min 1h30m is longer than max 1h", min="90m", max="3600s"),
    _lifetime("a min that is the max", min="60m", max="1h"),
    _rotation("a lifetime as text", "spec.lifetime: must be an object, not a string", lifetime="1h"),
    *(
        _lifetime(f"a lifetime of {value}", every=value)
        for value in ("1s", "1000ms", "1.5h", "1h30m15s500ms", "8760h", "1s1s")
    ),
    *(
        _lifetime(f"a lifetime of {value}", f'spec.lifetime.every: "{value}" is not in 1s..8760h', every=value)
        for value in ("999ms", "0s", "8760h1ms", "999999h999999h999999h")
    ),
    *(
        _lifetime(
            f"a lifetime of {value!r}",
            f"spec.lifetime.every: {shown} is not a duration such as 1h30m, 90s or 500ms",
            every=value,
        )
        for value, shown in [
            ("1d", '"1d"'),
            ("", '""'),
            ("60", '"60"'),
            ("-1h", '"-1h"'),
            ("1h 30m", '"1h 30m"'),
            ("1.h", '"1.h"'),
            ("1ns", '"1ns"'),
            ("1000000h", '"1000000h"'),
            (60, "60"),
            ("1s" * 17, f'"{"1s" * 17}"'),
        ]
    ),
    # windows, blackouts
    _rotation("no windows", windows=[], blackouts=[]),
    _rotation("null windows", windows=None, blackouts=None),
    _rotation("as many windows as may be", windows=[{"cron": "0 2 * * *", "duration": "1h"}] * 8),
    _rotation(
        "too many blackouts",
        "spec.blackouts: has 9 items, more than 8",
        blackouts=[{"cron": "0 2 * * *", "duration": "1h"}] * 9,
    ),
    _rotation(
        "an empty window",
        "spec.windows[0].cron: missing",
        "spec.windows[0].duration: missing",
        windows=[{}],
    ),
    _rotation("a window as text", "spec.windows[0]: must be an object, not a string", windows=["0 2 * * *"]),
    _rotation("a window that is null", "spec.windows[0]: must be an object, not null", windows=[None]),
    _rotation("windows as an object", "spec.windows: must be a list, not an object", windows={"cron": "0 2 * * *"}),
    _window("a window with an end", ".end: unknown field", end="6h"),
    *(
        _window(f"a schedule of {cron}", cron=cron)
        for cron in (
            "* * * * *",
            "*/5 * * * *",
            "0-59/7 08-18/2 1-31 1-12 0-7",
            "1,2,3 4 29 FEB sun,Mon",
            "00 00 01 01 0",
            "5/10 */3 * jan-dec MON-FRI/2",
        )
    ),
    *(
        _window(
            f"a schedule of {cron!r}",
            f'.cron: "{cron}" is not a schedule of five fields, such as 0 2 * * MON-FRI',
            cron=cron,
        )
        for cron in (
            "x",
            "@daily",
            "0 2 * *",
            "0 0 2 * * *",
            "60 2 * * *",
            "0 24 * * *",
            "0 2 0 * *",
            "0 2 32 * *",
            "0 2 * 13 *",
            "0 2 * * 8",
            "0 2 L * *",
            "0 2 * * MON#2",
            "0 2 ? * *",
            "*/0 2 * * *",
            " 0 2 * * *",
            "0  2 * * *",
            "0 2 * * *,",
            "-1 2 * * *",
            "CRON_TZ=UTC 0 2 * * *",
        )
    ),
    _window("an empty schedule", ".cron: must not be empty", cron=""),
    _window("a schedule too long", ".cron: has 101 characters, more than 100", cron=f"{'0,' * 46}0 2 * * *"),
    _window("the shortest window", duration="1m"),
    _window("a window too short", '.duration: "59s" is not in 1m..8760h', duration="59s"),
    _window("a window too long", '.duration: "8761h" is not in 1m..8760h', duration="8761h"),
    *(
        _window(f"the time zone {zone}", timeZone=zone)
        for zone in ("UTC", "Etc/GMT-14", "America/Argentina/ComodRivadavia", "America/Port-au-Prince", None)
    ),
    *(
        _window(
            f"the time zone {zone!r}",
            f'.timeZone: "{zone}" is not the name of a time zone, such as Europe/Berlin',
            timeZone=zone,
        )
        for zone in ("+01:00", "../etc/passwd", "/etc/localtime", "Europe/", "a/b/c/d", "Europe/Berlin ", "a.b")
    ),
    _window("an empty time zone", ".timeZone: must not be empty", timeZone=""),
    _window("a time zone too long", ".timeZone: has 65 characters, more than 64", timeZone="x" * 65),
    *(_rotation(f"attack {value}", underAttack=value) for value in ATTACKS),
    *(_rotation(f"attack {value}", *problems, underAttack=value) for value, problems in BAD_ATTACKS),
    # secrets
    _rotation("no secrets", secrets=[]),
    _rotation("null secrets", secrets=None),
    _secret("the least of a secret"),
    _rotation("as many secrets as may be", secrets=[SECRET | {"name": f"s{number}"} for number in range(8)]),
    _rotation(
        "too many secrets",
        "spec.secrets: has 9 items, more than 8",
        secrets=[SECRET | {"name": f"s{number}"} for number in range(9)],
    ),
    _rotation("a secret twice", 'spec.secrets[1].name: "db" is listed twice', secrets=[SECRET, SECRET]),
    _rotation(
        "an empty secret",
        "spec.secrets[0].name: missing",
        "spec.secrets[0].keys: missing",
        "spec.secrets[0].lifetime: missing",
        secrets=[{}],
    ),
    _rotation("a secret as text", "spec.secrets[0]: must be an object, not a string", secrets=["db"]),
    _secret("a secret with a value", ".value: unknown field", value="x"),
    _secret("a secret without keys", ".keys: must not be empty; leave it out instead", keys=[]),
    _secret("a key twice", '.keys[1]: "a" is listed twice', keys=["a", "a"]),
    _secret("a former value's key", f'.keys[0]: "a-previous" {NOT_A_KEY}', keys=["a-previous"]),
    _secret("a key with a slash", f'.keys[0]: "a/b" {NOT_A_KEY}', keys=["a/b"]),
    _secret("a key that has previous in it", keys=["a-previous-b", "previous"]),
    _secret("the longest key", keys=["x" * 244]),
    _secret("a key too long", ".keys[0]: has 245 characters, more than 244", keys=["x" * 245]),
    _secret("too many keys", ".keys: has 17 items, more than 16", keys=[f"k{number}" for number in range(17)]),
    *(
        _secret(f"a secret named {name!r}", f'.name: "{name}" {NOT_A_NAME}', name=name)
        for name in ("Db", "a/b", "-a", "a..b", "../x", "db ", "a_b")
    ),
    _secret(
        "a secret's lifetime of both kinds",
        ".lifetime: must have either every, or both min and max",
        lifetime={"every": "1h", "min": "1h", "max": "2h"},
    ),
    _secret("the shortest value", length=16),
    _secret("the longest value", length=128, alphabet="hex"),
    *(_secret(f"a value of {length}", f".length: {length} is not in 16..128", length=length) for length in (15, 129)),
    _secret("hex too short", ".length: 31 is too short for hex: at least 32", length=31, alphabet="hex"),
    _secret("base64 by default", alphabet="base64"),
    _secret("half of base64", ".length: 33 is no multiple of 4, as base64 needs it", length=33, alphabet="base64"),
    _secret("an unknown alphabet", '.alphabet: "ascii" is not one of alphanumeric, base64, hex', alphabet="ascii"),
    _secret("dependants", dependants=[WEB, {"kind": "StatefulSet", "name": "web"}]),
    _secret("no dependants", dependants=[]),
    _secret("a dependant twice", ".dependants[1]: Deployment/web is listed twice", dependants=[WEB, WEB]),
    _secret(
        "an empty dependant",
        ".dependants[0].kind: missing",
        ".dependants[0].name: missing",
        dependants=[{}],
    ),
    _secret(
        "a dependant that has no rollout",
        '.dependants[0].kind: "Job" is not one of Deployment, StatefulSet, DaemonSet',
        dependants=[{"kind": "Job", "name": "web"}],
    ),
    _secret(
        "too many dependants",
        ".dependants: has 17 items, more than 16",
        dependants=[{"kind": "Deployment", "name": f"w{number}"} for number in range(17)],
    ),
    _secret("no overlap", overlap="0s"),
    _secret("an overlap too long", '.overlap: "8761h" is not in 0s..8760h', overlap="8761h"),
    _rotation("any age", minAge="0s"),
    _rotation("an age too old", 'spec.minAge: "8761h" is not in 0s..8760h', minAge="8761h"),
    _rotation(
        "a strategy of a later version",
        'spec.strategy: "Migrate" is not one of Evict, Replace, Relocate, Restart, Reconfigure',
        strategy="Migrate",
    ),
    _response(
        "a Reconfigure of an alert",
        'spec.remedies[0].rotate.strategy: "Reconfigure" is not one of Evict, Replace, Relocate, Restart',
        remedies=[{"rotate": {"strategy": "Reconfigure", "scope": "Workload"}}],
    ),
    # reconfigure
    Verdict("every field of a Reconfigure", ROTATION, FULL_RECONFIGURE),
    _rotation(
        "a Reconfigure of nothing",
        "spec.reconfigure: missing: strategy Reconfigure needs it",
        strategy="Reconfigure",
    ),
    _rotation("a Replace with dimensions", "spec.reconfigure: belongs to strategy Reconfigure", reconfigure=[BUILD]),
    _reconfigure("no dimensions", ": must not be empty; leave it out instead", dimensions=[]),
    _reconfigure("dimensions as an object", ": must be a list, not an object", dimensions={"build": BUILD}),
    _reconfigure("a dimension of null", "[0]: must be an object, not null", dimensions=[None]),
    _reconfigure("a dimension of text", "[1]: must be an object, not a string", dimensions=[BUILD, "port"]),
    _reconfigure(
        "nine dimensions",
        ": has 9 items, more than 8",
        dimensions=[
            {"name": f"d{number}", "nodeSelector": {"key": f"k{number}", "variants": ["a", "b"]}} for number in range(9)
        ],
    ),
    _reconfigure(
        "two dimensions of a name",
        "[1]: has the name of spec.reconfigure[0]",
        dimensions=[BUILD, {"name": "build", "port": PORT}],
    ),
    _reconfigure(
        "all pinned",
        ": every dimension is pinned: there is nothing to choose",
        dimensions=[{"name": "port", "port": {**PORT, "pin": 8080}}],
    ),
    *(
        _reconfigure(
            f"two dimensions of a field: {first}",
            "[1]: changes the same as spec.reconfigure[0]",
            dimensions=[{"name": "a", **first}, {"name": "b", **second}],
        )
        for first, second in [
            ({"image": BUILD["image"]}, {"image": {"container": "main", "variants": ["x", "y"]}}),
            ({"port": PORT}, {"port": {**PORT, "env": "OTHER", "variants": [1, 2]}}),
            ({"port": PORT}, {"port": {**PORT, "name": "other", "variants": [1, 2]}}),
            ({"port": PORT}, {"environment": {"container": "main", "name": "PORT", "variants": ["x", "y"]}}),
            (
                {"environment": {"container": "main", "name": "A", "variants": ["x", "y"]}},
                {"environment": {"container": "main", "name": "A", "variants": ["x", "y"]}},
            ),
            ({"serviceAccountName": {"variants": ["a", "b"]}}, {"serviceAccountName": {"variants": ["c", "d"]}}),
            ({"runtimeClassName": {"variants": ["a", "b"]}}, {"runtimeClassName": {"variants": ["c", "d"]}}),
            (
                {"nodeSelector": {"key": "a", "variants": ["x", "y"]}},
                {"nodeSelector": {"key": "a", "variants": ["z", "y"]}},
            ),
            ({"label": {"key": "a", "variants": ["x", "y"]}}, {"label": {"key": "a", "variants": ["x", "z"]}}),
        ]
    ),
    _reconfigure(
        "fields that are much alike",
        dimensions=[
            {"name": "a", "environment": {"container": "main", "name": "A", "variants": ["x", "y"]}},
            {"name": "b", "environment": {"container": "other", "name": "A", "variants": ["x", "y"]}},
            {"name": "c", "nodeSelector": {"key": "A", "variants": ["x", "y"]}},
            {"name": "d", "label": {"key": "A", "variants": ["x", "y"]}},
            {"name": "e", "port": PORT},
            {"name": "f", "port": {**PORT, "container": "other", "variants": [1, 65_535]}},
        ],
    ),
    _reconfigure(
        "two ports of a number",
        "[1]: has port 9090, as has spec.reconfigure[0]",
        dimensions=[
            {"name": "a", "port": PORT},
            {"name": "b", "port": {**PORT, "container": "x", "variants": [9090, 1]}},
        ],
    ),
    *(
        _dimension(f"a dimension of {found}", f": must have exactly one of {KINDS}", **found)
        for found in ({}, {"image": None}, {"port": PORT, "runtimeClassName": {"variants": ["a", "b"]}})
    ),
    _dimension(
        "a dimension of another kind",
        ".volume: unknown field",
        f": must have exactly one of {KINDS}",
        volume={"variants": ["a", "b"]},
    ),
    _dimension("a name in capitals", '.name: "Port" is not a name such as build', name="Port", port=PORT),
    _dimension("no name", ".name: missing", name=None, port=PORT),
    _dimension("an image of nothing", ".image.container: missing", ".image.variants: missing", image={}),
    _dimension(
        "a port without its words",
        ".port.name: missing",
        ".port.env: missing",
        ".port.container: missing",
        port={"variants": [1, 2]},
    ),
    *(
        _dimension(f"a port with {name} {value!r}", f".port.{name}: {said}", port=PORT | {name: value})
        for name, value, said in [
            ("name", "x" * 16, "has 16 characters, more than 15"),
            ("name", "HTTP", '"HTTP" is not the name of a port'),
            ("env", "1PORT", '"1PORT" is not the name of a variable'),
            ("container", "a.b", '"a.b" is not the name of a container'),
            ("variants", [8080], "has 1 items, and must have 2 at least"),
            ("variants", list(range(1, 18)), "has 17 items, more than 16"),
            ("variants", 8080, "must be a list, not an integer"),
            ("pin", 80, '"80" is none of the variants'),
            ("pin", "8080", "must be an integer, not a string"),
            ("host", 1, "unknown field"),
        ]
    ),
    *(
        _dimension(
            f"a port of {value!r}",
            f".port.variants[2]: {said}",
            port={**PORT, "variants": [8080, 9090, value]},
        )
        for value, said in [
            (0, "0 is not in 1..65535"),
            (65_536, "65536 is not in 1..65535"),
            ("80", "must be an integer, not a string"),
            (None, "must be an integer, not null"),
            (80.5, "must be an integer, not a number"),
            (80.0, "must be an integer, not a number"),
            (True, "must be an integer, not a boolean"),
            (9090, "9090 is listed twice"),
        ]
    ),
    *(
        _dimension(f"{kind} of {value!r}", f".{kind}.variants[1]: {said}", **{kind: words | {"variants": ["a", value]}})
        for kind, words, value, said in [
            ("image", {"container": "other"}, "web: 1", '"web: 1" is not a reference to an image'),
            ("image", {"container": "other"}, "a", '"a" is listed twice'),
            ("image", {"container": "other"}, "", "must not be empty"),
            ("environment", {"container": "main", "name": "A"}, "x" * 1025, "has 1025 characters, more than 1024"),
            ("serviceAccountName", {}, "A", '"A" is not the name of an object'),
            ("runtimeClassName", {}, "a..b", '"a..b" is not the name of an object'),
            ("nodeSelector", {"key": "pool"}, "a b", '"a b" is not a label value'),
            ("label", {"key": "version"}, "x" * 64, "has 64 characters, more than 63"),
        ]
    ),
    *(
        _dimension(
            f"a label {key}",
            f'.label.key: "{key}" is a label that controllers tell pods by',
            label={"key": key, "variants": ["a", "b"]},
        )
        for key in ("pod-template-hash", "controller-revision-hash", "molt-project.io/exempt")
    ),
    _dimension(
        "a label that is none", '.label.key: "-" is not a label key', label={"key": "-", "variants": ["a", "b"]}
    ),
    *(
        _rotation(
            f"a label of {selector}",
            f'spec.reconfigure[0].label.key: the policy selects its pods by "{key}"',
            **FULL_RECONFIGURE | {"reconfigure": [{"name": "a", "label": {"key": key, "variants": ["a", "b"]}}]},
        )
        for selector, key in (("matchLabels", "app"), ("matchExpressions", "tier"))
    ),
    *(_rotation(f"a minimum of {value}", minReady=value) for value in (1, 10_000, "1%", "100%", None)),
    *(
        _rotation(
            f"a minimum of {value}",
            f'spec.minReady: {shown} is neither a count from 1 nor a percentage such as "25%"',
            minReady=value,
        )
        for value, shown in [(0, "0"), (10_001, "10001"), ("0%", '"0%"'), ("101%", '"101%"'), ("3", '"3"')]
    ),
    _rotation(
        "half a pod moving",
        'spec.maxMoving: 0.5 is neither a count from 1 nor a percentage such as "25%"',
        maxMoving=0.5,
    ),
]

_NUMBERS: list[Any] = [None, 3, -1, 0, 2.0, 2.5, True]
_TEXTS = ["", "x", "1h", "25%", "In", "x" * 5000]
_JUNK = [*_NUMBERS, *_TEXTS, [], ["x"], [None], [3], [{}], {}, {"x": None}, {"x": "y"}]


def mutations(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `spec` with each of its fields and items in turn left out, and replaced by each kind of junk."""
    for path in _paths(spec, ()):
        yield f"{path} left out", _changed(spec, path)
        for junk in _JUNK:
            yield f"{path} = {junk!r:.20}", _changed(spec, path, [junk])


def _paths(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _changed(spec: dict[str, Any], path: tuple[Any, ...], value: list[Any] | None = None) -> dict[str, Any]:
    changed = copy.deepcopy(spec)
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    if value:
        parent[path[-1]] = value[0]
    else:
        del parent[path[-1]]
    return changed
