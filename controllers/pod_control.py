"""Making and deleting the pods of a workload, with the events that upstream records."""

from apimachinery import errors
from apimachinery.client.events import EventRecorder
from apimachinery.client.rest import Client
from apimachinery.objects.metadata import Obj, name, namespace
from apimachinery.objects.owner_references import new_controller_ref

LONGEST_PREFIX = 63 - 5


class PodControl:
    """Creates and deletes pods for an owner.

    Args:
        client: The API.
        recorder: Events go here.
    """

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def create(
        self, owner: Obj, template: Obj, *, pod_name: str = "", prefix: str = "", labels: Obj | None = None
    ) -> Obj:
        """Create a pod from a template.

        Args:
            owner: The controller of the pod; has apiVersion and kind.
            template: A PodTemplateSpec.
            pod_name: Its name; generated where it is empty.
            prefix: What a generated name begins with, if not with the owner's name.
            labels: Further labels.

        Raises:
            APIError: after a FailedCreate event was recorded.
        """
        meta = template.get("metadata") or {}
        metadata: Obj = {
            "namespace": namespace(owner),
            "labels": {**(meta.get("labels") or {}), **(labels or {})},
            "ownerReferences": [new_controller_ref(owner, owner["apiVersion"], owner["kind"])],
        }
        if meta.get("annotations"):
            metadata["annotations"] = meta["annotations"]
        if meta.get("finalizers"):
            metadata["finalizers"] = meta["finalizers"]
        if pod_name:
            metadata["name"] = pod_name
        else:
            metadata["generateName"] = (prefix or f"{name(owner)}-")[:LONGEST_PREFIX]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
        try:
            made = await self._client.create("pods", pod)
        except errors.APIError as error:
            if not isinstance(error, errors.ServiceUnavailable | errors.Timeout):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name(made)}")
        return made

    async def delete(self, owner: Obj, pod: Obj) -> bool:
        """Delete a pod; tells whether it was there (what has gone already will not be seen to go).

        Raises:
            APIError: after a FailedDelete event was recorded.
        """
        try:
            await self._client.delete("pods", name(pod), namespace(pod))
        except errors.NotFound:
            return False
        except errors.APIError as error:
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name(pod)}")
        return True
