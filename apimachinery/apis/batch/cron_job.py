"""CronJob."""

import zoneinfo

from apimachinery.apis.batch import job
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors, non_negative, one_of
from apimachinery.objects import cron_schedule
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


def schedule_problem(schedule: str) -> str:
    """Why a schedule can't be read; empty if it can."""
    try:
        cron_schedule.parse(schedule)
    except cron_schedule.ScheduleError as error:
        return str(error)
    return ""


def zone_problem(zone: str | None) -> str:
    """Why a time zone is none; empty if it is one, or none is given."""
    if zone is None:
        return ""
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return ""


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
    problem = zone_problem(spec.get("timeZone"))
    if problem:
        errors.append(invalid(_SPEC.child("timeZone"), spec["timeZone"], problem))
    errors.extend(one_of(spec.get("concurrencyPolicy"), _SPEC.child("concurrencyPolicy"), _POLICIES))
    for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors.extend(non_negative(spec.get(field), _SPEC.child(field)))
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    return [*errors, *job.validate_spec(template, _SPEC.child("jobTemplate", "spec"), selector=False)]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CronJob that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a CronJob's pods."""
    job_spec = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    return template_warnings(job_spec.get("template"), FieldPath("spec.jobTemplate.spec.template"))
