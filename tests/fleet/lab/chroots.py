"""Run programs inside a root file system that is not booted."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab import mirrors

__all__ = ["PORT", "build_debian", "run_in"]

PORT = 18077  # of the package repositories, here and on the lab's network
ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
NO_DOCS = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
# Arguments: root, folder to serve ("" = none), folder to show at /mnt ("" = none), argv. All mounts, and all processes
# that stay behind, such as gpg's agent and the web server, end with the namespaces.
ENTER = f"""\
root=$1 served=$2 shown=$3; shift 3
mount -t proc proc "$root/proc" || exit
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" || exit
[ -z "$shown" ] || mount --bind "$shown" "$root/mnt" || exit
if [ -n "$served" ]; then
  ip link set lo up
  python3 -m http.server -b 127.0.0.1 -d "$served" {PORT} > /dev/null 2>&1 &
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    ss -Hltn "sport = :{PORT}" | grep -q . && break
    sleep 0.2
  done
fi
chroot "$root" "$@"
"""


def build_debian(
    root: Path, suite: str, packages: Iterable[str], *, keep_docs: bool = True, any_date: bool = False
) -> None:
    """Make a Debian root file system.

    Args:
        root: an empty folder.
        suite: its release, such as `trixie`.
        packages: what it has beyond the smallest Debian.
        keep_docs: leave manuals and translations in.
        any_date: take a mirror's word for a suite even when it has expired: snapshots of suites in motion do.
    """
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    argv += [] if keep_docs else NO_DOCS
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"'] if any_date else []
    done = subprocess.run(
        [*argv, suite, str(root), *mirrors.lines(suite)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"mmdebstrap could not build {suite}: {done.stderr[-3000:]}"


def run_in(
    root: Path, *argv: str, stdin: str = "", serve: Path | None = None, show: Path | None = None
) -> str:
    """Run a program in a root file system, away from this machine's processes and network. Returns its stdout.

    Args:
        root: the root file system.
        argv: what to run in it.
        stdin: what it reads.
        serve: folder to serve on its loopback, on port 18077.
        show: folder that it sees at `/mnt`; the program may write there even where nothing else in `root` may change.
    """
    spaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    enter = ["sh", "-c", ENTER, "sh", str(root), str(serve or ""), str(show or "")]
    env = {**ENV, "PATH": f"{ENV['PATH']}:{Path(shutil.which('python3') or '/usr/bin/python3').parent}"}
    done = subprocess.run(
        [*spaces, *enter, *argv], input=stdin, capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, f"{argv} in {root.name} exited {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout
