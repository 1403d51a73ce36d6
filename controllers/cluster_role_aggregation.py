"""ClusterRoles that collect the rules of others by label (`aggregationRule`): admin, edit, view and users' own.

Talks to the API server. The rules of an aggregated role are written here alone; what somebody
else writes into them is replaced.
"""

from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, key, labels, name
from apimachinery.objects.selectors import from_label_selector
from controllers.context import Context

_ROLES = "clusterroles.rbac.authorization.k8s.io"


def aggregated_rules(role: Obj, roles: list[Obj]) -> list[Obj]:
    """The rules of every selected role, in the order of their names, each rule once."""
    wanted = [from_label_selector(one) for one in role["aggregationRule"].get("clusterRoleSelectors") or ()]
    found: list[Obj] = []
    for other in sorted(roles, key=name):
        if name(other) != name(role) and any(selector.matches(labels(other)) for selector in wanted):
            found += [rule for rule in other.get("rules") or () if rule not in found]
    return found


def new(context: Context) -> Controller:
    """Wire the controller."""
    roles = context.informers.informer(_ROLES)

    async def reconcile(one: str) -> None:
        role = roles.store.get_key(one)
        if role is None or not role.get("aggregationRule"):
            return
        rules = aggregated_rules(role, roles.store.list())
        if rules != (role.get("rules") or []):
            await context.client.update(_ROLES, {**role, "rules": rules})

    def aggregating(_changed: Obj) -> list[str]:
        """Any role may be part of any aggregated one."""
        return [key(role) for role in roles.store.list() if role.get("aggregationRule")]

    controller = Controller("clusterrole-aggregation-controller", reconcile, workers=1)
    controller.watch(roles, aggregating)
    return controller
