"""Whether the variables of CUDA and of ROCm leave this process a GPU to see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmagic.core.report import Gpu

_NVIDIA = "CUDA_VISIBLE_DEVICES"
_AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", _NVIDIA)
_INDEX = re.compile(r"\+?([0-9]{1,9})")


def hides_all(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> bool:
    """Whether a variable hides every GPU: its first entry is none, and what follows is not read.

    So do `-1`, `none`, the `NoDevFiles` of Slurm, and the number or UUID of no GPU here.
    """
    nvidia = [gpu for gpu in gpus if gpu.vendor == "nvidia"]
    amd = not nvidia and any(gpu.vendor == "amd" for gpu in gpus)
    values = [environ[name] for name in (_AMD if amd else (_NVIDIA,)) if name in environ]
    return not all(_is_one(value.partition(",")[0].strip(), nvidia) for value in values)


def _is_one(entry: str, gpus: Sequence[Gpu]) -> bool:
    """Whether an entry stands for a GPU; which there are may not be known (none of them)."""
    if number := _INDEX.match(entry):
        return not gpus or int(number[1]) < len(gpus)
    if entry.startswith("GPU-"):
        return not gpus or any(g.uuid is None or g.uuid.startswith(entry) for g in gpus)
    return entry.startswith("MIG-")
