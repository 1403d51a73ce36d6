"""What admission counts, under upstream's names."""

from __future__ import annotations

from typing import Final

from component.metrics import Registry

_STEPS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
_CALLS: Final = (*_STEPS, 10.0, 25.0)
ADMIT: Final = "admit"
VALIDATE: Final = "validate"


class AdmissionMetrics:
    """Counters of the chain, of webhooks and of policies."""

    def __init__(self, registry: Registry) -> None:
        self.steps = registry.histogram(
            "apiserver_admission_step_admission_duration_seconds",
            "Admission sub-step latency, for each operation and step type (validate or admit).",
            "operation",
            "rejected",
            "type",
            buckets=_STEPS,
        )
        self.controllers = registry.histogram(
            "apiserver_admission_controller_admission_duration_seconds",
            "Admission controller latency, by name, operation and step type.",
            "name",
            "operation",
            "rejected",
            "type",
            buckets=_STEPS,
        )
        self.webhooks = registry.histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Admission webhook latency, by name, operation and step type.",
            "name",
            "operation",
            "rejected",
            "type",
            buckets=_CALLS,
        )
        self.webhook_requests = registry.counter(
            "apiserver_admission_webhook_request_total",
            "Admission webhook requests, by the code of the answer.",
            "code",
            "name",
            "operation",
            "rejected",
            "type",
        )
        self.webhook_rejections = registry.counter(
            "apiserver_admission_webhook_rejection_count",
            "Requests that webhooks rejected, or whose call failed.",
            "error_type",
            "name",
            "operation",
            "rejection_code",
            "type",
        )
        self.webhook_fail_open = registry.counter(
            "apiserver_admission_webhook_fail_open_count", "Failed calls of webhooks that were ignored.", "name", "type"
        )
        labels = ("kind", "name", "operation", "type")
        self.condition_errors = registry.counter(
            "apiserver_admission_match_condition_evaluation_errors_total",
            "Match conditions whose evaluation failed.",
            *labels,
        )
        self.condition_exclusions = registry.counter(
            "apiserver_admission_match_condition_exclusions_total", "Requests that match conditions excluded.", *labels
        )
        self.policy_checks = registry.counter(
            "apiserver_validating_admission_policy_check_total",
            "Checks of validating policies, by what came of them.",
            "enforcement_action",
            "error_type",
            "policy",
            "policy_binding",
        )
        self.mutating_policy_checks = registry.counter(
            "apiserver_mutating_admission_policy_check_total",
            "Mutations by policies, by what came of them.",
            "error_type",
            "policy",
            "policy_binding",
        )
