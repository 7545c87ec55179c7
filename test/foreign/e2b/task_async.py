"""Runs a task with the asynchronous Python SDK of E2B; each step is asserted."""

import asyncio

from e2b import (
    AsyncSandbox,
    CommandExitException,
    FilesystemEventType,
    PtySize,
    SandboxNotRunningException,
)


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


async def main():
    sandbox = await AsyncSandbox.create(envs={"LAYER": "sandbox"}, timeout=600)
    run = sandbox.commands.run

    results = await asyncio.gather(*(run(f"echo $LAYER {n}") for n in range(10)))
    assert [r.stdout for r in results] == [f"sandbox {n}\n" for n in range(10)]
    failed = await raises(CommandExitException, run("echo bad >&2; exit 9"))
    assert (failed.exit_code, failed.stderr) == (9, "bad\n")
    heard = asyncio.Event()
    cat = await run("cat", background=True, stdin=True, on_stdout=lambda _: heard.set())
    async with sandbox.commands.stream_input(cat.pid) as stream:
        await stream.send("streamed\n")
    await asyncio.wait_for(heard.wait(), 10)
    await cat.close_stdin()
    assert (await cat.wait()).stdout == "streamed\n"
    print("commands done", flush=True)

    files = sandbox.files
    await asyncio.gather(*(files.write(f"many/{n}", str(n) * 1000) for n in range(10)))
    assert len(await files.list("many")) == 10

    async def chunks():
        for n in range(64):
            yield bytes([n]) * 65536

    await files.write("big", chunks(), gzip=True)
    size = 0
    async for chunk in await files.read("big", format="stream"):
        size += len(chunk)
    assert size == 64 * 65536
    print("files done", flush=True)

    changed = asyncio.Event()

    def on_event(event):
        if event.type == FilesystemEventType.WRITE and event.name == "deep/file":
            changed.set()

    await files.make_dir("watched")
    handle = await files.watch_dir("watched", on_event=on_event, recursive=True)
    await files.make_dir("watched/deep")
    await files.write("watched/deep/file", "x")
    await asyncio.wait_for(changed.wait(), 10)
    await handle.stop()
    print("watch done", flush=True)

    output = bytearray()
    terminal = await sandbox.pty.create(PtySize(rows=24, cols=80), on_data=output.extend)
    await sandbox.pty.send_stdin(terminal.pid, b"tput cols; exit\n")
    await terminal.wait()
    assert b"80" in output, bytes(output)
    print("pty done", flush=True)

    held = await run("sleep 60", background=True)
    await sandbox.pause()
    await raises(SandboxNotRunningException, held.wait())
    same = await AsyncSandbox.connect(sandbox.sandbox_id, timeout=600)
    assert [p.pid for p in await same.commands.list()] == [held.pid]
    held = await same.commands.connect(held.pid)
    await same.kill()
    await raises(SandboxNotRunningException, held.wait())
    print("async task done", flush=True)


asyncio.run(main())
