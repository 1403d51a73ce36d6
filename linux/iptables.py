"""iptables' nat table: read as rules, changed in one transaction by iptables-restore.

For configurations that are written for iptables. What we make by ourselves is in nftables (linux.nftables).
"""

from __future__ import annotations

import re
import shlex

from linux import addresses

_WAIT_SECONDS = "10"
_TIMEOUT_SECONDS = 60
_PREFIX = {addresses.AF_INET: "iptables", addresses.AF_INET6: "ip6tables"}
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/!\-\[\]=@+]+")


class IptablesError(OSError):
    """iptables refused a change, or is not installed; nothing was changed."""


class Table:
    """What is in the nat table.

    Attributes:
        chains: Its chains, those of the kernel too.
        rules: Its rules, each as words: the chain, then the rest as iptables-save prints it.
    """

    __slots__ = ("chains", "rules")

    def __init__(self, text: str) -> None:
        self.chains: set[str] = set()
        self.rules: list[list[str]] = []
        inside = False
        for line in text.splitlines():
            if line.startswith("*"):
                inside = line == "*nat"
            elif inside and line.startswith(":"):
                self.chains.add(line[1:].partition(" ")[0])
            elif inside and line.startswith("-A "):
                self.rules.append(shlex.split(line)[1:])

    def of(self, chain: str) -> list[list[str]]:
        """The rules of a chain, without its name."""
        return [words[1:] for words in self.rules if words[0] == chain]


def quoted(words: list[str]) -> str:
    """Words as a line for iptables-restore.

    Raises:
        ValueError: a word that would end the line.
    """
    shown = []
    for word in words:
        if _PLAIN.fullmatch(word):
            shown.append(word)
            continue
        if not word or any(ord(character) < ord(" ") for character in word):
            raise ValueError(f"iptables can't be given the word {word!r}")
        shown.append('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return " ".join(shown)


def read(family: int) -> Table:
    """The nat table, in the calling thread's network namespace."""
    return Table(_run([f"{_PREFIX[family]}-save", "-t", "nat"], ""))


def change(family: int, lines: list[str]) -> None:
    """Carry out lines of iptables-restore on the nat table, all or none; what they don't name stays.

    Raises:
        IptablesError: nothing was changed then.
    """
    if lines:
        command = [f"{_PREFIX[family]}-restore", "--noflush", "-w", _WAIT_SECONDS]
        _run(command, "\n".join(["*nat", *lines, "COMMIT", ""]))


def _run(command: list[str], text: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except FileNotFoundError as error:
        raise IptablesError(error.errno, f"{command[0]} is not installed, but the configuration asks for it") from error
    except subprocess.TimeoutExpired as error:
        raise IptablesError(0, f"{command[0]} did not end in {_TIMEOUT_SECONDS} s") from error
    if done.returncode:
        raise IptablesError(done.returncode, f"{command[0]}: {done.stderr.strip()}")
    return done.stdout
