"""Making, mending and deleting a StatefulSet's pods with their claims, with the events that upstream records."""

from apimachinery import errors
from apimachinery.client.events import EventRecorder
from apimachinery.client.rest import Client
from apimachinery.client.store import Store
from apimachinery.objects.metadata import Obj, name, namespace, uid
from apimachinery.objects.owner_references import owners
from controllers.stateful_set import claims, identity


class StatefulPods:
    """The pods of StatefulSets.

    Args:
        client: The API.
        recorder: Events go here.
        known_claims: A cache of claims.
    """

    def __init__(self, client: Client, recorder: EventRecorder, known_claims: Store) -> None:
        self._client = client
        self._recorder = recorder
        self._claims = known_claims

    def _tell(self, live: Obj, verb: str, what: str, error: errors.APIError | None) -> None:
        reason = verb.capitalize()
        if error is None:
            self._recorder.event(live, "Normal", f"Successful{reason}", f"{verb} {what} successful")
        else:
            self._recorder.event(live, "Warning", f"Failed{reason}", f"{verb} {what} failed error: {error.message}")

    async def create(self, live: Obj, pod: Obj) -> None:
        """Make a pod, its claims first.

        Args:
            live: The set.
            pod: As `identity.new_pod` makes it.

        Raises:
            Conflict: where there is such a pod already; nothing is told then.
            APIError: after a FailedCreate event was recorded.
        """
        await self.ensure_claims(live, pod)
        what = f"Pod {name(pod)} in StatefulSet {name(live)}"
        try:
            await self._client.create("pods", pod)
        except errors.AlreadyExists:
            raise
        except errors.APIError as error:
            self._tell(live, "create", what, error)
            raise
        self._tell(live, "create", what, None)

    async def delete(self, live: Obj, pod: Obj) -> bool:
        """Delete a pod, and no later one of its name; tells whether it was there.

        Raises:
            APIError: after a FailedDelete event was recorded.
        """
        what = f"Pod {name(pod)} in StatefulSet {name(live)}"
        options = {"preconditions": {"uid": uid(pod)}}
        try:
            await self._client.delete("pods", name(pod), namespace(pod), options=options)
        except (errors.NotFound, errors.Conflict):
            return False
        except errors.APIError as error:
            self._tell(live, "delete", what, error)
            raise
        self._tell(live, "delete", what, None)
        return True

    def recreating(self, live: Obj, pod: Obj, phase: str) -> None:
        """Tell that a pod that ended is made anew."""
        of = f"StatefulSet {namespace(live)}/{name(live)} is recreating"
        if phase == "Failed":
            self._recorder.event(live, "Warning", "RecreatingFailedPod", f"{of} failed Pod {name(pod)}")
        else:
            self._recorder.event(live, "Normal", "RecreatingTerminatedPod", f"{of} terminated Pod {name(pod)}")

    async def mend(self, live: Obj, pod: Obj) -> None:
        """Give a pod the labels of its identity, and its claims their owners."""
        missing = identity.missing_labels(live, pod)
        if missing:
            patch = {"metadata": {"uid": uid(pod), "labels": missing}}
            await self._client.patch("pods", name(pod), patch, namespace(pod))
            self._tell(live, "update", f"Pod {name(pod)} in StatefulSet {name(live)}", None)
        if (pod.get("status") or {}).get("phase") == "Pending":
            await self.ensure_claims(live, pod)
        else:
            await self.own_claims(live, pod)

    async def ensure_claims(self, live: Obj, pod: Obj) -> None:
        """Make the claims of a pod that are missing.

        Raises:
            APIError: after a FailedCreate event was recorded.
        """
        number = identity.ordinal(pod)
        for template in live["spec"].get("volumeClaimTemplates") or ():
            claim = claims.new_claim(live, template, number)
            if self._claims.get(namespace(claim), name(claim)) is not None:
                continue
            what = f"Claim {name(claim)} Pod {name(pod)} in StatefulSet {name(live)}"
            references = claims.owner_references(live, pod, claim)
            if references:
                claim["metadata"]["ownerReferences"] = references
            try:
                await self._client.create("persistentvolumeclaims", claim)
            except errors.AlreadyExists:
                continue
            except errors.APIError as error:
                self._tell(live, "create", what, error)
                raise
            self._recorder.event(live, "Normal", "SuccessfulCreate", f"create {what} success")
        await self.own_claims(live, pod)

    async def own_claims(self, live: Obj, pod: Obj) -> None:
        """Let the claims of a pod be owned as the retention policy says."""
        for claim_name in identity.claim_names(live, identity.ordinal(pod)).values():
            claim = self._claims.get(namespace(live), claim_name)
            if claim is None:
                continue
            references = claims.owner_references(live, pod, claim)
            if references != owners(claim):
                meta = {**claim["metadata"], "ownerReferences": references}
                whole = {**claim, "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}
                await self._client.update("persistentvolumeclaims", whole)

    def waits_for_claim(self, live: Obj, number: int) -> bool:
        """Whether a claim of an ordinal is about to go with an earlier pod."""
        known = [self._claims.get(namespace(live), one) for one in identity.claim_names(live, number).values()]
        pod_name = identity.pod_name(live, number)
        return any(claims.is_stale(one, pod_name, "") for one in known if one is not None)
