"""The default policies cover Falco's own rules: each of the 93 is met by the one policy that falco_rules.tsv names.

falco_rules.tsv is the intention, written once: a rule that moves to another policy moves there, too. Rules of earlier
versions of Falco, which many a cluster still has, are in EARLIER.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import pytest

from molt.alert import Alert
from molt.policy import ResponsePolicy, RotationPolicy, load, match

ROOT = Path(__file__).resolve().parents[3]
POLICIES = ROOT / "knative" / "base" / "policies"
with (Path(__file__).parent / "falco_rules.tsv").open(encoding="utf-8") as table:
    RULES = list(csv.DictReader(table, delimiter="\t"))
EARLIER = {
    "Delete Bash History": "default-observe-activity",
    "Disallowed SSH Connection": "default-observe-network",
    "Outbound Connection to C2 Servers": "default-quarantine-code-execution",
    "Outbound or Inbound Traffic not to Authorized Server Process and Port": "default-observe-network",
    "The docker client is executed in a container": "default-quarantine-lateral-movement",
    "Unexpected outbound connection destination": "default-observe-network",
}
POD = {"metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}}}

# What each policy does, at a glance: the remedies, in order, with their scope or how long they last.
REMEDIES = {
    "default-quarantine-code-execution": ["quarantine", "rotate Siblings"],
    "default-quarantine-container-escape": ["quarantine", "cordon 24h", "evidence", "rotate Node", "rotate Siblings"],
    "default-quarantine-privilege-escalation": ["quarantine", "rotate Siblings"],
    "default-quarantine-credential-access": ["quarantine", "rotate Siblings"],
    "default-quarantine-lateral-movement": ["quarantine"],
    "default-replace-drift": ["rotate Pod"],
    "default-observe-activity": ["tag"],
    "default-observe-network": [],
    "default-observe-configuration": [],
    "default-observe-host": [],
}


def default_set() -> list[ResponsePolicy]:
    """Return the shipped policies, all of which must be valid."""
    return [policy for loaded in load.read(POLICIES) if isinstance(policy := loaded.policy, ResponsePolicy)]


def alert(rule: dict[str, str]) -> Alert:
    data: dict[str, Any] = {
        "rule": rule["rule"],
        "priority": rule["priority"],
        "tags": rule["tags"].split(","),
        "source": "syscall",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-1"},
    }
    return Alert.parse(data)


@pytest.mark.parametrize(
    "rule",
    [*RULES, *({"rule": rule, "priority": "Notice", "tags": "", "policy": EARLIER[rule]} for rule in EARLIER)],
    ids=lambda rule: rule["rule"],
)
def test_every_upstream_rule_meets_its_policy_and_no_other(rule: dict[str, str]) -> None:
    """Exactly one default policy matches, whatever the order."""
    assert [rule["policy"]] == [policy.name for policy in default_set() if not match.explain(policy, alert(rule), POD)]


def test_the_table_holds_the_93_upstream_rules(shared: Path) -> None:
    """Names, priorities and tags are those of Falco's rule files."""
    with (shared / "alerts" / "falco_rules.tsv").open(encoding="utf-8") as upstream:
        expected = [(row["rule"], row["priority"], row["tags"]) for row in csv.DictReader(upstream, delimiter="\t")]
    assert expected == [(row["rule"], row["priority"], row["tags"]) for row in RULES]


def test_no_rule_is_named_that_does_not_exist() -> None:
    """93 rules and EARLIER, each named once, spelled out: a glob would take in rules that nobody has judged."""
    named = sorted(rule for policy in default_set() for rule in policy.match.rules)
    assert 93 == len(RULES)
    assert sorted([*EARLIER, *(rule["rule"] for rule in RULES)]) == named


def test_the_defaults_only_rehearse() -> None:
    """Whoever installs molt gets no action that was not asked for."""
    assert dict.fromkeys(REMEDIES, "DryRun") == {policy.name: policy.mode for policy in default_set()}


def test_each_policy_does_what_its_name_says() -> None:
    """The remedies are those of the table above."""
    found = {
        policy.name: [
            " ".join([step.remedy, *(step.parameters[name] for name in ("scope", "for") if name in step.parameters)])
            for step in policy.remedies
        ]
        for policy in default_set()
    }
    assert REMEDIES == found


def test_users_policies_come_first() -> None:
    """The default order, 100, and 900 more are before the default set, which leaves room between its own."""
    orders = sorted(policy.order for policy in default_set())
    assert orders[0] >= 1000
    assert len(set(orders)) == len(orders)
    assert min(later - earlier for earlier, later in itertools.pairwise(orders)) >= 50


def test_rules_of_other_sources_are_left_alone() -> None:
    """A plugin's rule of the same name is another rule."""
    audit = Alert.parse({"rule": "Terminal shell in container", "priority": "Notice", "source": "k8s_audit"})
    chosen, reasons = match.choose(default_set(), audit, None)
    assert chosen is None
    assert {'source "k8s_audit" is none of syscall'} == {reason for _, reason in reasons}


def test_every_policy_says_why() -> None:
    """Each file is named as its policy, and describes itself to whoever asks the API server."""
    for file in sorted(POLICIES.glob("default-*.yaml")):
        text = file.read_text(encoding="utf-8")
        assert text.startswith("# "), file
        assert "kubernetes.io/description:" in text, file
    assert sorted(REMEDIES) == sorted(file.stem for file in POLICIES.glob("default-*.yaml"))


def test_the_examples_are_valid() -> None:
    """What the README offers to copy is what the parser takes."""
    loaded = load.read(ROOT / "examples" / "policies")
    assert [] == [str(each.policy) for each in loaded if not isinstance(each.policy, ResponsePolicy | RotationPolicy)]
    assert {"production-web-shell", "web"} <= {each.policy.name for each in loaded if hasattr(each.policy, "name")}
