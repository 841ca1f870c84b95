"""What a ResponsePolicy and a RotationPolicy say, and which alert matches which.

    fields      typed readers that note what is wrong, where, and what was probably meant
    duration    "1h30m" as a timedelta            amount     1 or "25%" of a workload's pods
    glob        `*` and `?`                       selector   a LabelSelector on a pod's labels
    response    a manifest as a ResponsePolicy    rotation   a manifest as a RotationPolicy
    expression  CEL over `alert`                  match      why a policy does not match, and which one does
    remedies    the remedies of a ResponsePolicy  load       policies from files
    windows     when a RotationPolicy's moves may begin
    reconfigure the dimensions that a RotationPolicy changes
    regeneration  the Secrets that a RotationPolicy regenerates

The parsers give the verdict of the CRDs in knative/base/crds, in words that name the field and the way out.
"""

from __future__ import annotations

from molt.policy.fields import PolicyError, Problem
from molt.policy.response import Limits, Match, ResponsePolicy
from molt.policy.rotation import Lifetime, RotationPolicy

__all__ = ["Lifetime", "Limits", "Match", "PolicyError", "Problem", "ResponsePolicy", "RotationPolicy"]
