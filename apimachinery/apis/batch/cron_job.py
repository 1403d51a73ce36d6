"""CronJob."""

from apimachinery.apis.batch import job
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.field_rules import Errors, non_negative, one_of
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a CronJob, in place."""
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    apply_template_defaults(template.setdefault("spec", {}).setdefault("template", {}))
    obj.setdefault("status", {})


_SPEC = FieldPath("spec")
_POLICIES = ("Allow", "Forbid", "Replace")
_MOST_NAME = 52
_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}


def schedule_problem(schedule: str) -> str:
    """Why a schedule can't be read; empty if it can."""
    if schedule.startswith("@"):
        every = schedule.startswith("@every ")
        return "" if schedule in _MACROS or every else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (least, most) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if not _fits(part, least, most):
                return f'failed to parse "{field}"'
    return ""


def _fits(part: str, least: int, most: int) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return False
    if span in ("*", "?"):
        return True
    words = {12: _MONTHS, 7: _DAYS}.get(most, {})
    ends = [words.get(end.lower(), end) for end in span.split("-", 1)]
    if not all(isinstance(end, int) or end.isdigit() for end in ends):
        return False
    numbers = [int(end) for end in ends]
    return all(least <= number <= most for number in numbers) and numbers == sorted(numbers)


def validate(obj: Obj) -> Errors:
    """What is wrong with a CronJob."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    name = (obj.get("metadata") or {}).get("name") or ""
    if len(name) > _MOST_NAME:
        errors.append(invalid(FieldPath("metadata.name"), name, f"must be no more than {_MOST_NAME} characters"))
    schedule = spec.get("schedule")
    here = _SPEC.child("schedule")
    if not schedule:
        errors.append(required(here))
    else:
        if "TZ" in schedule:
            errors.append(invalid(here, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
        problem = schedule_problem(schedule)
        if problem:
            errors.append(invalid(here, schedule, problem))
    errors.extend(one_of(spec.get("concurrencyPolicy"), _SPEC.child("concurrencyPolicy"), _POLICIES))
    for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors.extend(non_negative(spec.get(field), _SPEC.child(field)))
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    return [*errors, *job.validate_spec(template, _SPEC.child("jobTemplate", "spec"), selector=False)]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CronJob that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
