"""Starts measurements in processes of their own, with the settings that make them fair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
KEEP_MEMORY = {
    # glibc hands freed memory back and fetches it again, zeroed, page by page; with these it keeps it.
    "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": str(1 << 26),
}


def settings(threads: int, *, keep_memory: bool) -> dict[str, str]:
    """Return the variables of the environment that a measurement gets."""
    found = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Threads of Intel's and LLVM's OpenMP sleep at once when a parallel region ends; those of GNU spin up to 1 ms.
        "KMP_BLOCKTIME": "1",
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={threads}",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # As many as threads: the compiler of PyTorch must not disturb the measurement later.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    return {**found, **KEEP_MEMORY} if keep_memory else found


def processors(count: int) -> set[int]:
    """Return as many processors as asked for that share no core, of those that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    chosen: dict[str, int] = {}
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        chosen.setdefault(siblings.read_text() if siblings.exists() else str(cpu), cpu)
    cores = sorted(chosen.values())
    return set((cores + [cpu for cpu in allowed if cpu not in cores])[:count])


def in_child(
    arguments: list[str], threads: int, *, keep_memory: bool = True, environment: dict[str, str] | None = None
) -> Any:
    """Run this program with other arguments, and variables, in a new process and return what it wrote as JSON.

    Raises:
        RuntimeError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, str(FOLDER), "--child", str(answer), "--threads", str(threads), *arguments]
        variables = {**os.environ, **settings(threads, keep_memory=keep_memory), **(environment or {})}
        done = subprocess.run(command, env=variables, check=False)
        if done.returncode or not answer.exists():
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}")
        return json.loads(answer.read_text())


def begin(threads: int) -> None:
    """Set what only the child itself can set."""
    import n2d2

    os.sched_setaffinity(0, processors(threads))
    n2d2.global_variables.nb_threads = threads
