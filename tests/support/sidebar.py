"""The sidebar's line into a kernel, without a browser: a connection and a subshell of its own."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking.client import BlockingKernelClient
from support.story import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.kernel import LiveKernel

    Json = dict[str, Any]

LIMIT = 500_000
"""How many bytes a reply may have."""
_PATIENCE = 60


class Sidebar:
    """One tab of a browser; `close` it before its kernel ends."""

    def __init__(self, kernel: LiveKernel, options: Iterable[str] = ()) -> None:
        self.options = shlex.join(options)
        self.heard: list[str] = []
        """Every reply, as it was sent."""
        # Not the manager's own client: the kernel tells two of one session not apart.
        self._client = BlockingKernelClient(connection_file=kernel.manager.connection_file)
        self._client.load_connection_file()
        self._client.start_channels()
        message = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(message)
        reply = self._client.get_control_msg(timeout=_PATIENCE)
        self._subshell: str = reply["content"]["subshell_id"]

    def close(self) -> None:
        """Close the tab."""
        self._client.stop_channels()

    def ask(self, method: str, **arguments: object) -> Json:
        """Return the answer to a request, which may be an error."""
        text = json.dumps(json.dumps({"method": method, "args": arguments}))
        room = "__import__('envmagic.face.panel', fromlist=['handle'])"
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "allow_stdin": False,
            "stop_on_error": False,
            "user_expressions": {"answer": f"{room}.handle({text})"},
        }
        message = self._client.session.msg("execute_request", content)
        message["header"]["subshell_id"] = self._subshell
        self._client.shell_channel.send(message)
        reply = self._client.get_shell_msg(timeout=_PATIENCE)
        assert reply["parent_header"]["msg_id"] == message["header"]["msg_id"]
        said = json.dumps(reply["content"], ensure_ascii=False)
        assert len(said.encode()) < LIMIT
        self.heard.append(said)
        told = reply["content"]["user_expressions"]["answer"]
        assert told["status"] == "ok", "\n".join(told.get("traceback", ()))
        answer: Json = told["data"]["application/json"]
        return answer

    def look(self, lock: str = "") -> Json:
        """Compare the kernel with a lock, with this tab's options."""
        return self.ask("look", lock=lock, options=self.options)

    def start(self, what: str, report: str, **arguments: object) -> Json:
        """Begin some work, and return it."""
        work: Json = self.ask("start", what=what, report=report, **arguments)["work"]
        return work

    def work(self) -> Json:
        """Return what is at work."""
        work: Json = self.ask("work")["work"]
        return work

    def await_state(self, state: str) -> Json:
        """Ask until the work is in a state, and return it."""
        wait_until(lambda: self.work()["state"] == state)
        return self.work()

    def all_rows(self, look: Json) -> list[Json]:
        """Return the rows of a report, those that are still to be asked for included."""
        rows: list[Json] = look["report"]["changes"]
        rest = look["rest"]
        while rest:
            page = self.ask("rows", report=look["report"]["id"], start=len(rows))
            rows, rest = rows + page["rows"], page["rest"]
        return rows
