"""An alert comes in, a routing slip goes out, or a reason why nobody is to act.

Calls to the API, in this order and no more than needed: the policies, the pod, the policy that answers, the namespace.
The policies come from the API server's cache, which a burst of alerts does not wait for. The one that acts is looked at
once more: when it was switched to DryRun, the very next alert is rehearsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

from detect_router import FUNCTION, routes
from detect_router.policies import Policies, stands
from detect_router.repeats import Repeats
from molt import guard, resolve, workload
from molt.alert import Alert
from molt.cluster import NAMESPACES, NotFound
from molt.itinerary import PolicyRef, Slip, Target
from molt.outcome import Done, Ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from detect_router.routes import Route
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

ROUTED: Final = "io.molt-project.alert.routed.v1"


def handler() -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the handler of a process: it knows what policies it has read before say, and repeats for what they are."""
    policies, repeats = Policies(), Repeats()

    def handle_next(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        return handle(event, cluster, clock, policies, repeats)

    return handle_next


def handle(
    event: Event, cluster: Cluster, clock: Clock, policies: Policies | None = None, repeats: Repeats | None = None
) -> Outcome:
    """Answer an alert with its itinerary, or ignore it for a reason.

    Raises BadEvent, what the API raises, and TemporaryError while the alert is fresh and its container not reported.
    """
    alert, repeats = Alert.parse(event.data), repeats or Repeats()
    # Before any call: Falco reports molt's own calls to the API, and must not cause more of them.
    protected = guard.protected_namespace(alert.namespace) if alert.namespace else None
    if objection := protected or repeats.reason(alert, clock.now()):
        return Ignored(objection)
    known = (policies := policies or Policies()).read(cluster, clock)
    if reason := routes.hopeless(alert, known):
        return Ignored(reason)
    pod = resolve.find(alert, cluster, clock.now())
    if isinstance(pod, str):
        return Ignored(pod)
    route = routes.route(alert, known, pod)
    if not isinstance(route, str) and not stands(route.policy, cluster):
        known = policies.latest(cluster, clock)
        route = routes.route(alert, known, pod)
    if isinstance(route, str):
        return Ignored(route)
    if objection := _exempt(pod["metadata"]["namespace"], cluster):
        return Ignored(objection)
    slip = _slip(alert, pod, route)
    steps = ", ".join(step.remedy for step in route.itinerary)
    routed = slip.event(function=FUNCTION, type=ROUTED, cause=event, time=clock.now())
    repeats.remember(alert, known, clock.now())
    return Done(routed, reason=f"policy {route.policy.name} ({slip.mode}): {steps}")


def _exempt(name: str, cluster: Cluster) -> str | None:
    """Return the objection of the pod's namespace, if any; one that is gone has no pods left to act on."""
    try:
        namespace = cluster.get(NAMESPACES, name)
    except NotFound:
        return guard.exempt_namespace(name, None)
    return guard.exempt_namespace(name, namespace)


def _slip(alert: Alert, pod: Mapping[str, Any], route: Route) -> Slip:
    """Return the routing slip with nothing done yet."""
    metadata, policy = pod["metadata"], route.policy
    return Slip(
        alert=alert.to_dict(),
        target=Target(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            node=pod["spec"].get("nodeName"),
            workload=workload.top(pod),
        ),
        policy=PolicyRef(policy.name, policy.uid, policy.generation, policy.limits.render()),
        mode=cast("Literal['Enforce', 'DryRun']", policy.mode),
        itinerary=route.itinerary,
    )
