"""Percentiles, tables, and the machine they come from."""

import math
import os
import pathlib
import platform
import re


def percentile(values, percent):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def microseconds(nanoseconds):
    return f"{nanoseconds / 1000:,.0f}"


def spread(values):
    """Half the distance of the extremes, in percent of the median."""
    return f"±{(max(values) - min(values)) / 2 / percentile(values, 50) * 100:.0f}%"


def table(title, head, rows, level=3):
    lines = [f"{'#' * level} {title}", "", row(head), "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + [row(r) for r in rows] + [""])


def number(value):
    """Four digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def medians_table(title, results):
    """Of rounds `{row: {figure: number}}`: each figure's median, and the spread of the first."""
    rows = []
    for name, values in results[0].items():
        rounds = {figure: [result[name][figure] for result in results] for figure in values}
        first = next(iter(rounds.values()))
        medians = [number(percentile(values, 50)) for values in rounds.values()]
        rows.append([name, medians[0], spread(first), *medians[1:]])
    first, *others = next(iter(results[0].values()))
    return table(title, ["what", first, "spread", *others], rows)


def row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    cpu = cpu[1] if cpu else platform.machine()
    flags = "virtual machine, " if "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text() else ""
    return f"{cpu}, {os.cpu_count()} processors, {flags}Linux {platform.release()}, Python {platform.python_version()}"


def load():
    return "load average {:.2f}".format(os.getloadavg()[0])


def stolen_and_busy():
    """Ticks of all processors: stolen by the host, and not idle."""
    ticks = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
    return ticks[7], sum(ticks) - ticks[3] - ticks[4]
