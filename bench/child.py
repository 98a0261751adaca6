"""One measurement in a process that is as full as a kernel's: prints two numbers as JSON.

The CPU milliseconds of `%load_ext envmagic`, then the milliseconds of the first diff with the
lock that is named: lock read, snapshot, plan, findings.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import ipykernel.kernelapp
import ipykernel.zmqshell  # noqa: F401 (a kernel has it)
from IPython.core.interactiveshell import InteractiveShell


def main() -> None:
    """Measure, and print."""
    shell = InteractiveShell.instance()
    began = time.process_time()
    shell.run_line_magic("load_ext", "envmagic")
    load = time.process_time() - began

    from envmagic.edge.node import LocalNode  # noqa: PLC0415 (what is measured must be the first)
    from envmagic.face.options import add_diff_options, make_request  # noqa: PLC0415
    from envmagic.story.preview import preview  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    add_diff_options(parser)
    arguments = parser.parse_args(sys.argv[1:])
    began = time.perf_counter()
    node = LocalNode(kernel=True)
    report = preview(make_request(arguments, node.platform()), node)
    diff = time.perf_counter() - began
    actions = len(report.plan.actions)
    print(json.dumps({"load": load * 1e3, "diff": diff * 1e3, "actions": actions}))


if __name__ == "__main__":
    main()
