"""Where a figure was measured: a result is quoted only with this."""

import os
import pathlib
import platform
import re
import subprocess


def _first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ((done.stdout or done.stderr).strip().splitlines() or [None])[0]


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _debian_version(package):
    return _first_line("dpkg-query", "-W", "-f", "${Version}", package)


def name(described):
    """A directory for its results: who is measured is always said."""
    return re.sub(r"[^a-z0-9]+", "-", f"{described['processor']} {described['cores']}".lower()).strip("-")


def describe(contenders):
    """What a report says of the machine, of us and of the peers."""
    virtual = "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text()
    cores = os.cpu_count()
    packages = [c.package for c in contenders if c.package and c.installed()]
    return {
        "machine": {
            "processor": _processor(),
            # Virtual cores may be hyperthreads of one physical core; nothing inside can tell.
            "cores": f"{cores} {'virtual cores' if virtual else 'hardware threads'}",
            "kernel": platform.release().split("-")[0],
            "compiler": _first_line("c++", "--version"),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "commit": _first_line("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "versions": {package: _debian_version(package) for package in packages},
    }
