"""How often the kernel's OOM killer was at work in a control group."""

from linux.cgroups import CgroupHost, read, table


def count(cgroups: CgroupHost, path: str) -> int:
    """Kills in a group, on version 2 in those below it too; 0 where the group has gone."""
    return table(read(cgroups.oom_file(path))).get("oom_kill", 0)
