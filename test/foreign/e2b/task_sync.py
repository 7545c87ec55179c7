"""Runs a task with the synchronous Python SDK of E2B; each step is asserted."""

import io
import time

from e2b import (
    CommandExitException,
    FileNotFoundException,
    InvalidArgumentException,
    AuthenticationException,
    PtySize,
    Sandbox,
    SandboxNotRunningException,
    TimeoutException,
)


def until(condition, what):
    for _ in range(200):
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen")


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


sandbox = Sandbox.create(
    metadata={"task": "sync"}, envs={"LAYER": "sandbox"}, timeout=600
)
run = sandbox.commands.run

# Commands
result = run("echo $LAYER $OWN; pwd; whoami; echo oops >&2", envs={"OWN": "own"})
assert (result.stdout, result.stderr) == ("sandbox own\n/home/user\nuser\n", "oops\n")
assert run("id -u; pwd", user="root", cwd="/tmp").stdout == "0\n/tmp\n"
failed = raises(CommandExitException, lambda: run("echo partial; exit 3"))
assert (failed.exit_code, failed.stdout) == (3, "partial\n")
raises(TimeoutException, lambda: run("sleep 30", timeout=0.5))
raises(AuthenticationException, lambda: run("true", user="stranger"))
raises(InvalidArgumentException, lambda: run("true", cwd="/not/there"))
parts = []
run("for i in 1 2 3; do echo $i; sleep 0.1; done", on_stdout=parts.append)
assert "".join(parts) == "1\n2\n3\n"
cat = run("cat", background=True, stdin=True, timeout=0)
assert [p.pid for p in sandbox.commands.list()] == [cat.pid]
sandbox.commands.send_stdin(cat.pid, "one\n")
sandbox.commands.stream_input(cat.pid, ["two\n", b"three\n"])
sandbox.commands.close_stdin(cat.pid)
assert cat.wait().stdout == "one\ntwo\nthree\n"
slow = run("sleep 30", background=True, timeout=0)
slow.disconnect()
again = sandbox.commands.connect(slow.pid)
assert sandbox.commands.kill(slow.pid) is True
assert raises(CommandExitException, again.wait).error == "signal: killed"
assert sandbox.commands.kill(slow.pid) is False
print("commands done", flush=True)

# Files
files = sandbox.files
info = files.write("notes/a b.txt", "first", metadata={"author": "ann"})
assert (info.path, info.metadata) == ("/home/user/notes/a b.txt", {"author": "ann"})
assert files.read("notes/a b.txt") == "first"
assert files.get_info("notes/a b.txt").metadata == {"author": "ann"}
blob = bytes(range(256)) * 8192
files.write("blob", blob, gzip=True)
assert files.read("blob", format="bytes") == blob
assert files.read("blob", format="bytes", gzip=True) == blob
files.write("streamed", io.BytesIO(blob))
with files.read("streamed", format="stream") as stream:
    assert b"".join(stream) == blob
written = files.write_files([{"path": f"many/{n}", "data": str(n)} for n in range(5)])
assert [w.name for w in written] == ["0", "1", "2", "3", "4"]
assert [e.name for e in files.list("many")] == ["0", "1", "2", "3", "4"]
assert files.make_dir("made/deep") is True and files.make_dir("made/deep") is False
assert files.rename("many/0", "made/zero").path == "/home/user/made/zero"
files.remove("many")
assert not files.exists("many") and files.exists("made/zero")
raises(FileNotFoundException, lambda: files.read("none"))
run("ln -s zero made/link")
link = files.get_info("made/link")
assert (link.symlink_target, link.permissions) == (
    "/home/user/made/zero",
    "Lrwxrwxrwx",
)
files.write("empty", "")
assert files.read("empty") == ""
print("files done", flush=True)

# Watching: events are kept until the client fetches them.
watch = files.watch_dir("made", recursive=True, include_entry=True)
files.write("made/deep/new.txt", "new")
seen = []


def written_event():
    seen.extend(watch.get_new_events())
    return [e for e in seen if e.type.value == "write" and e.name == "deep/new.txt"]


assert until(written_event, "a write")[0].entry.size == 3
watch.stop()
raises(FileNotFoundException, lambda: files.watch_dir("none"))
print("watch done", flush=True)

# Terminals
output = bytearray()
terminal = sandbox.pty.create(PtySize(rows=24, cols=80), envs={"OWN": "x"}, cwd="/tmp")
sandbox.pty.resize(terminal.pid, PtySize(rows=30, cols=100))
sandbox.pty.send_stdin(terminal.pid, b"echo $OWN in $PWD; stty size; exit 4\n")
ended = raises(
    CommandExitException, lambda: terminal.wait(on_pty=lambda data: output.extend(data))
)
assert ended.exit_code == 4
assert b"x in /tmp" in output and b"30 100" in output, bytes(output)
second = sandbox.pty.create(PtySize(rows=24, cols=80), timeout=0)
second.disconnect()
assert sandbox.pty.connect(second.pid).pid == second.pid
assert sandbox.pty.kill(second.pid) is True
print("pty done", flush=True)

# Pause and connect: memory and files stay.
server = run("python3 -m http.server 8000", background=True, timeout=0)
server.disconnect()
sandbox.pause()
assert sandbox.get_info().state.value == "paused"
raises(SandboxNotRunningException, lambda: run("true"))
same = Sandbox.connect(sandbox.sandbox_id, timeout=600)
assert [p.pid for p in same.commands.list()] == [server.pid]
assert same.files.read("empty") == ""
assert same.sandbox_id in [
    found.sandbox_id
    for found in Sandbox.list().next_items()
    if found.metadata.get("task") == "sync"
]
assert same.kill() is True and same.kill() is False
print("sync task done", flush=True)
