"""Runs a task with any version of the Python SDK of E2B; each step is asserted."""

import socket
import time
import urllib.request

from e2b import CommandExitException, Sandbox

# Resolves all names of the domain to this machine, like a wildcard entry of a name server.
lookup = socket.getaddrinfo


def local(host, *arguments, **options):
    name = host.decode() if isinstance(host, bytes) else host
    return lookup("127.0.0.1" if name and name.endswith(".e2b.test") else host, *arguments, **options)


socket.getaddrinfo = local


def listed():
    """Ids of the running sandboxes. Older SDKs return a list, and ids with `-<client id>` appended."""
    found = Sandbox.list()
    page = found if isinstance(found, list) else found.next_items()
    return [sandbox.sandbox_id.split("-")[0] for sandbox in page]


make = getattr(Sandbox, "create", Sandbox)
sandbox = make(template="base", metadata={"task": "versions"}, envs={"LAYER": "sandbox"}, timeout=600)
run, files = sandbox.commands.run, sandbox.files

told = []
result = run("echo $LAYER $OWN; pwd; echo oops >&2", envs={"OWN": "own"}, cwd="/tmp", on_stdout=told.append)
assert (result.stdout, result.stderr, result.exit_code) == ("sandbox own\n/tmp\n", "oops\n", 0)
assert "".join(told) == result.stdout
assert run("id -u", user="root").stdout == "0\n"
try:
    run("exit 3")
    raise AssertionError("it did not fail")
except CommandExitException as error:
    assert error.exit_code == 3
print("commands done", flush=True)

files.write("/home/user/notes/a b.txt", "first")
assert files.read("/home/user/notes/a b.txt") == "first"
blob = bytes(range(256)) * 4096
files.write("blob", blob)
assert bytes(files.read("blob", format="bytes")) == blob
files.make_dir("made")
files.rename("notes/a b.txt", "made/moved.txt")
assert [(entry.name, entry.type.value) for entry in files.list("made")] == [("moved.txt", "file")]
assert not files.exists("notes/a b.txt")
watch = files.watch_dir("made")
files.write("made/new.txt", "new")
seen = []
for _ in range(200):
    seen += [event.name for event in watch.get_new_events()]
    if "new.txt" in seen:
        break
    time.sleep(0.05)
assert "new.txt" in seen
watch.stop()
files.remove("made/new.txt")
assert urllib.request.urlopen(sandbox.download_url("made/moved.txt")).read() == b"first"
print("files done", flush=True)

server = run("python3 -m http.server 8000", background=True, timeout=0)
server.disconnect()
assert listed() == [sandbox.sandbox_id.split("-")[0]]
pause = getattr(sandbox, "pause", getattr(sandbox, "beta_pause", None))
if pause:
    pause()
    print("pause done", flush=True)
same = Sandbox.connect(sandbox.sandbox_id)
assert [process.pid for process in same.commands.list()] == [server.pid]
assert same.commands.kill(server.pid) is True
same.set_timeout(300)
assert same.is_running()
same.kill()
assert listed() == []
print("task done", flush=True)
