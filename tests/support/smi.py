"""An `nvidia-smi` for a test: a script on the PATH that says what the real one would."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DETAILS = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
\t<timestamp>Tue Nov 25 04:19:00 2026</timestamp>
\t<driver_version>550.54.15</driver_version>
\t<cuda_version>12.4</cuda_version>
\t<attached_gpus>2</attached_gpus>
</nvidia_smi_log>
"""
GPUS = """\
0, NVIDIA A100-SXM4-80GB, GPU-11111111-2222-3333-4444-555555555555, 550.54.15, 81920, 4, 8.0, \
Disabled, Enabled
1, Tesla V100-PCIE-16GB, GPU-99999999-8888-7777-6666-555555555555, 550.54.15, 16384, 0, 7.0, \
[N/A], [N/A]
"""
REFUSED = 'Field "compute_cap" is not a valid field to query.\n'


def put_nvidia_smi(
    folder: Path, *, gpus: str = GPUS, details: str = DETAILS, old: str = ""
) -> None:
    """Write the script; `old` is what it says to a query without the later fields."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nvidia-smi"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"--query-gpu=*compute_cap*) printf %s {shlex.quote(gpus)} ;;\n"
        f"--query-gpu=*) printf %s {shlex.quote(old)} ;;\n"
        f"-q) printf %s {shlex.quote(details)} ;;\n"
        "esac\n",
        "utf-8",
    )
    path.chmod(0o755)
