"""The part of Tensorlake's SDK that their router uses, implemented with E2B sandboxes."""

import shlex
from types import SimpleNamespace

import e2b


class Sandbox:
    def __init__(self, sandbox):
        self._sandbox = sandbox
        self.sandbox_id = sandbox.sandbox_id

    @staticmethod
    def list():
        pages, found = e2b.Sandbox.list(), []
        while pages.has_next:
            found += pages.next_items()
        return [
            SimpleNamespace(
                sandbox_id=info.sandbox_id,
                name=info.metadata.get("name"),
                status="suspended" if info.state.value == "paused" else info.state.value,
            )
            for info in found
        ]

    @classmethod
    def connect(cls, sandbox_id):
        return cls(e2b.Sandbox.connect(sandbox_id))

    @classmethod
    def create(cls, *, name, image, cpus, memory_mb, timeout_secs):
        lifecycle = {"on_timeout": "pause", "auto_resume": True}
        metadata = {"name": name}
        return cls(e2b.Sandbox.create(image, timeout=timeout_secs, metadata=metadata, lifecycle=lifecycle))

    def start_process(self, command, args, *, env):
        line = shlex.join([command, *args])
        self._sandbox.commands.run(line, background=True, envs=env, timeout=0).disconnect()

    def terminate(self):
        self._sandbox.kill()
