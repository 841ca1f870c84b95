"""The names of the reasons for which pods stay: the words of the trail, in one CamelCase word each. Pure.

The words name pods, times and counts, which change while the reason is the same; a status, a condition and an alert on
it need what stays the same.

| name                | the words                                                                    | by intent |
|---------------------|------------------------------------------------------------------------------|-----------|
| DisruptionBudget    | the Eviction API answered 429                                                |           |
| Refused             | the API server did not let molt do it: RBAC, or an admission policy          |           |
| ReplacementStuck    | a replacement, or a restart, did not become Ready, and it rests; or a Secret |           |
| WorkloadNotReady    | not every replica is Ready                                                   |           |
| RolloutInProgress   | the workload rolls out, or its controller has not seen a change yet          |           |
| NodeCordoned        | somebody drains the node                                                     |           |
| MinReady            | too few of a policy's pods are Ready                                         |           |
| CannotRestart       | strategy Restart, and the workload has no rollout that would do              |           |
| CannotReconfigure   | not labelled by its owner, or a dimension that would cut somebody off        |           |
| OwnerUnknown        | a retiring pod does not say whose it was                                     |           |
| Other               | anything else                                                                |           |
| Paused              | the annotation `pause`, or the Deployment's own pause                        | yes       |
| Exempt              | the namespace is exempt, or protected                                        | yes       |
| NotMoved            | no controller would replace it, or it is of a kind that molt never moves     | yes       |
| BelowPartition      | a restart would leave it out                                                 | yes       |
| TooYoung            | a restart would move a pod younger than `minAge`                             | yes       |
| MaxMoving           | another policy that selects it has as many on the move as it allows          | yes       |
| MovesPerTick        | this tick has begun as many moves as it may, or as it has time for           | yes       |
"""

from __future__ import annotations

import re

STUCK = "ReplacementStuck"
PAUSED = "Paused"
OTHER = "Other"
INTENDED = frozenset({PAUSED, "Exempt", "NotMoved", "BelowPartition", "TooYoung", "MaxMoving", "MovesPerTick"})
"""What somebody has asked for, or what ends by itself: no trouble, however long it lasts."""

_BY_OUTCOME = {"blocked": "DisruptionBudget", "refused": "Refused"}
FOREIGN = frozenset({*_BY_OUTCOME.values(), OTHER})
"""Whose words are the API server's, or an admission webhook's, and may differ each time."""
_WORKLOAD = r"\w+/\S+"
_PREFIX = re.compile(r"\Aits (values are old|dependants restart|former values are back): ")
"""What comes before the reason for which a Secret's regeneration stays, which is one for which pods stay, too."""
# Names have no blanks, so that nobody can name anything in such a way that it reads as another reason.
_PATTERNS = (
    (PAUSED, rf"({_WORKLOAD}|namespace \S+|Secret \S+) is paused"),
    ("Exempt", r"namespace \S+ (is protected|is exempt|could not be checked)"),
    ("NotMoved", rf"no controller would|pods of {_WORKLOAD} are not moved|pod \S+ is static"),
    ("NotMoved", rf"{_WORKLOAD} (runs its pods to an end|is of a kind that molt does not know)"),
    ("BelowPartition", rf"a restart of {_WORKLOAD} stops at the partition"),
    ("TooYoung", rf"pod \S+ of {_WORKLOAD} is younger than minAge"),
    ("MaxMoving", r"policy \S+, which selects it too, has its maxMoving"),
    ("MovesPerTick", r"\d+ moves have begun in this tick|this tick's time is up"),
    (STUCK, rf"a replacement of {_WORKLOAD} did not become Ready|it stays, since its replacement does not"),
    (STUCK, rf"the last (restart|reconfiguration) of {_WORKLOAD} was undone|its (restart|reconfiguration) is undone"),
    (STUCK, r"its regeneration was undone"),
    ("WorkloadNotReady", rf"{_WORKLOAD} has \d+ of \d+ pods Ready"),
    ("RolloutInProgress", rf"{_WORKLOAD} has a (rollout in progress|change that|disruption budget that)"),
    ("NodeCordoned", r"its node \S+ is cordoned"),
    ("MinReady", r"policy \S+ wants \S+ of its pods Ready"),
    ("CannotRestart", rf"{_WORKLOAD} (has no rollout of its own|is updated)|a restart of {_WORKLOAD} would leave out"),
    ("CannotReconfigure", rf"{_WORKLOAD} (is not labelled|cannot change its)"),
    ("OwnerUnknown", r"retiring, without a readable annotation"),
    ("", r"it is (gone|retiring no more|no longer one)|(pod|node) \S+ (is|changed)"),
)
_NAMES = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS)


def name(outcome: str, reason: str) -> str | None:
    """Return the name of the reason for which a pod stays, by the outcome and the reason of a trail's entry.

    None when it does not stay, or was only changed by somebody else just then: the next tick knows more.
    """
    if outcome in _BY_OUTCOME:
        return _BY_OUTCOME[outcome]
    if outcome != "skipped":
        return None
    said = _PREFIX.sub("", reason)
    return next((found for found, pattern in _NAMES if pattern.match(said)), OTHER) or None
