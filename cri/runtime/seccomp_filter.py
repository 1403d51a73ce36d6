"""Compiles a seccomp profile once, instead of at every container start.

crun takes a ready BPF program from an annotation; compiling it in crun costs 5 to 20 ms per container, and a node uses
a handful of profiles. The compiler is the same libseccomp that the OCI runtimes use, called through ctypes. Where it is
missing, or a profile needs what we don't translate, the answer is empty and the runtime compiles by itself.
"""

import base64
import ctypes
import functools
import os
import threading
from typing import Any

import orjson

_ALLOW = 0x7FFF0000
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": _ALLOW,
}
_WITH_ERRNO = "SCMP_ACT_ERRNO"
_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_NO_NEW_PRIVILEGES_BY_FILTER = 3  # attribute: whether loading sets no_new_privs
_OPTIMIZE = 8  # attribute: 2 = a binary tree over system call numbers
_EPERM = 1
_NO_SUCH_CALL = -1


class _Argument(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


_cache: dict[bytes, str] = {}
_lock = threading.Lock()


def compiled(profile: dict[str, Any]) -> str:
    """The profile as base64 of a BPF program; empty if it can not be made here."""
    key = orjson.dumps(profile, option=orjson.OPT_SORT_KEYS)
    with _lock:
        if key not in _cache:
            _cache[key] = _compile(profile)
        return _cache[key]


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Argument),
    )
    return library


def _action(name: str, number: int | None) -> int | None:
    value = _ACTIONS.get(name)
    if value is not None and name == _WITH_ERRNO:
        value |= (_EPERM if number is None else number) & 0xFFFF
    return value


def _compile(profile: dict[str, Any]) -> str:
    library = _library()
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    if library is None or default is None or profile.get("flags") or profile.get("listenerPath"):
        return ""
    context = library.seccomp_init(default)
    if not context:
        return ""
    try:
        for name in profile.get("architectures") or ():
            token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
            library.seccomp_arch_add(context, token)  # the native one is there already: an error that means nothing
        if not all(_add(library, context, rule, default) for rule in profile.get("syscalls") or ()):
            return ""
        library.seccomp_attr_set(context, _NO_NEW_PRIVILEGES_BY_FILTER, 0)
        library.seccomp_attr_set(context, _OPTIMIZE, 2)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _add(library: ctypes.CDLL, context: int, rule: dict[str, Any], default: int) -> bool:
    action = _action(rule["action"], rule.get("errnoRet"))
    if action is None:
        return False
    if action == default:
        return True  # libseccomp refuses rules that repeat the default
    arguments = rule.get("args") or []
    array = (_Argument * len(arguments))()
    for slot, argument in zip(array, arguments, strict=True):
        comparison = _COMPARISONS.get(argument["op"])
        if comparison is None:
            return False
        slot.arg, slot.op = argument["index"], comparison
        slot.a, slot.b = argument["value"], argument.get("valueTwo", 0)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _NO_SUCH_CALL:
            continue  # this libseccomp does not know it; as the OCI runtimes, go on
        if library.seccomp_rule_add_array(context, action, number, len(arguments), array) != 0:
            return False
    return True


def _export(library: ctypes.CDLL, context: int) -> str:
    descriptor = os.memfd_create("seccomp")
    try:
        if library.seccomp_export_bpf(context, descriptor) != 0:
            return ""
        size = os.fstat(descriptor).st_size
        return base64.b64encode(os.pread(descriptor, size, 0)).decode()
    finally:
        os.close(descriptor)
