"""The process that holds a shared PID namespace: a complete program of a few hundred bytes, made here.

PID 1 of a namespace must exist as long as the namespace is used, reap what is orphaned, and do nothing else. So the
program ignores SIGCHLD (the kernel then reaps by itself) and sleeps for ever in ``pause``. Writing the ELF file
ourselves spares the pod an image and the node a megabyte. Pure: machine name in, bytes out.
"""

import struct

from cri import errors

_BASE = 0x400000
_HEADERS = 64 + 56

# rt_sigaction(SIGCHLD, &{SIG_IGN, SA_NOCLDWAIT}, NULL, 8); for (;;) pause();
# The kernel's struct sigaction is handler, flags, restorer, mask: 32 bytes of data after the code.
_SIGACTION = struct.pack("<QQQQ", 1, 2, 0, 0)


def _x86_64() -> bytes:
    code = b"\xb8\x0d\x00\x00\x00"  # mov eax, 13 (rt_sigaction)
    code += b"\xbf\x11\x00\x00\x00"  # mov edi, 17 (SIGCHLD)
    code += b"\xbe" + b"\x00\x00\x00\x00"  # mov esi, address of the data
    code += b"\x31\xd2"  # xor edx, edx
    code += b"\x41\xba\x08\x00\x00\x00"  # mov r10d, 8
    code += b"\x0f\x05"  # syscall
    code += b"\xb8\x22\x00\x00\x00"  # again: mov eax, 34 (pause)
    code += b"\x0f\x05"  # syscall
    code += b"\xeb\xf7"  # jmp again
    address = _BASE + _HEADERS + _aligned(len(code))
    return _padded(code[:11] + struct.pack("<I", address) + code[15:])


def _aarch64() -> bytes:
    instructions = [
        0xD28010C8,  # mov x8, #134 (rt_sigaction)
        0xD2800220,  # mov x0, #17 (SIGCHLD)
        0x10000141,  # adr x1, data: 10 instructions on
        0xD2800002,  # mov x2, #0
        0xD2800103,  # mov x3, #8
        0xD4000001,  # svc #0
        0xD2800928,  # again: mov x8, #73 (ppoll)
        0xD2800000,  # mov x0, #0
        0xD2800001,  # mov x1, #0
        0xD2800002,  # mov x2, #0
        0xD4000001,  # svc #0
        0x17FFFFFB,  # b again
    ]
    return _padded(b"".join(struct.pack("<I", i) for i in instructions))


_MACHINES = {"x86_64": (62, _x86_64), "aarch64": (183, _aarch64)}


def executable(machine: str) -> bytes:
    """The program for a machine as ``os.uname`` names it.

    Raises:
        Unimplemented: there is none for this machine.
    """
    if machine not in _MACHINES:
        raise errors.Unimplemented(f"sharing a PID namespace is not supported on {machine}")
    number, make = _MACHINES[machine]
    code = make()
    size = _HEADERS + len(code) + len(_SIGACTION)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, number, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code + _SIGACTION


def _aligned(size: int) -> int:
    return (size + 15) // 16 * 16


def _padded(code: bytes) -> bytes:
    return code.ljust(_aligned(len(code)), b"\0")
