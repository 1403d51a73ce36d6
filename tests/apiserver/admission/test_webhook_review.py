import pytest

from apiserver.admission.webhook_review import CallFailedError, checked, denied, parse_answer, patch_operations

V1 = "admission.k8s.io/v1"


def review(api_version=V1, **response):
    return {"kind": "AdmissionReview", "apiVersion": api_version, "response": {"uid": "u", "allowed": True} | response}


def judge(body, mutating=True, api_version=V1):
    return checked(body, "u", api_version, mutating=mutating)


def test_a_good_answer_is_taken():
    assert judge(review(warnings=["a"], auditAnnotations={"k": "v"}, patch="e30=", patchType="JSONPatch"))["allowed"]
    assert judge(review(patch=None, patchType=None, status=None))["allowed"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind="),
        ([], "expected webhook response"),
        (review("admission.k8s.io/v1beta1"), "got admission.k8s.io/v1beta1, Kind=AdmissionReview"),
        ({"kind": "AdmissionReview", "apiVersion": V1}, "webhook response was absent"),
        (review(uid="x"), 'expected response.uid="u", got "x"'),
        (review(uid=5), "AdmissionResponse.uid"),
        (review(allowed="yes"), "AdmissionResponse.allowed"),
        (review(warnings="be careful"), "AdmissionResponse.warnings"),
        (review(warnings=[5]), "AdmissionResponse.warnings"),
        (review(auditAnnotations=["a"]), "AdmissionResponse.auditAnnotations"),
        (review(auditAnnotations={"a": 5}), "AdmissionResponse.auditAnnotations"),
        (review(status="no"), "AdmissionResponse.status"),
        (review(patch={}), "AdmissionResponse.patch"),
        (review(patch="e30="), "response.patch but not response.patchType"),
        (review(patchType="JSONPatch"), "response.patchType but not response.patch"),
        (review(patch="e30=", patchType="Merge"), 'unsupported patch type "Merge"'),
    ],
)
def test_what_breaks_the_protocol_is_a_failed_call(body, told):
    with pytest.raises(CallFailedError) as caught:
        judge(body)
    assert told in str(caught.value)


def test_the_older_version_asks_for_less():
    old = "admission.k8s.io/v1beta1"
    assert judge(review(old, uid="x", patch="e30="), api_version=old)["patch"] == "e30="


def test_a_validating_webhook_has_no_patch():
    with pytest.raises(CallFailedError, match=r"validating webhook may not return response\.patch"):
        judge(review(patch="e30=", patchType="JSONPatch"), mutating=False)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b"", "could not find the requested resource"),
        (500, b"oh", 'an error on the server ("oh")'),
        (200, b"{", "json"),
    ],
)
def test_http_failures_are_told(status, body, told):
    with pytest.raises(CallFailedError) as caught:
        parse_answer(status, body)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"code": 200},
        {"code": "x"},
        {"message": 5},
        {"reason": []},
        {"details": "x"},
        {"details": {"causes": 5}},
    ],
)
def test_a_refusal_is_an_error_whatever_it_says(result):
    error = denied("w", result)
    assert error.code >= 400
    assert error.to_status()["message"].startswith('admission webhook "w" denied the request')


@pytest.mark.parametrize("encoded", ["!", "e3", "/w=="])
def test_what_is_no_patch_is_told(encoded):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the decoders'
        patch_operations(encoded)
