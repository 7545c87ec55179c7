"""A task done with any version of the Python SDK of E2B, old or new; every step is asserted."""

import socket
import time
import urllib.request

from e2b import CommandExitException, Sandbox

# Names of the domain lead here, as a wildcard entry of a name server does.
lookup = socket.getaddrinfo


def local(host, *arguments, **options):
    here = isinstance(host, (str, bytes)) and host[-9:] in (".e2b.test", b".e2b.test")
    return lookup("127.0.0.1" if here else host, *arguments, **options)


socket.getaddrinfo = local


def sandbox_ids():
    """The older ones give a list."""
    found = Sandbox.list()
    found = found if isinstance(found, list) else found.next_items()
    return [sandbox.sandbox_id.split("-")[0] for sandbox in found]


how = {"template": "base", "metadata": {"task": "versions"}, "timeout": 600}
make = getattr(Sandbox, "create", Sandbox)
sandbox = make(envs={"LAYER": "sandbox"}, **how)
run = sandbox.commands.run

result = run("echo $LAYER $OWN; pwd; echo oops >&2", envs={"OWN": "own"}, cwd="/tmp")
assert (result.stdout, result.stderr) == ("sandbox own\n/tmp\n", "oops\n")
assert run("id -u", user="root").stdout == "0\n"
try:
    run("exit 3")
    raise AssertionError("it did not fail")
except CommandExitException as error:
    assert error.exit_code == 3
parts = []
run("for i in 1 2 3; do echo $i; sleep 0.1; done", on_stdout=parts.append)
assert "".join(parts) == "1\n2\n3\n"
sleep = run("sleep 1000", background=True, timeout=0)
assert [process.pid for process in sandbox.commands.list()] == [sleep.pid]
assert sandbox.commands.kill(sleep.pid) is True
print("commands done", flush=True)

files = sandbox.files
files.write("/home/user/notes/a b.txt", "first")
assert files.read("/home/user/notes/a b.txt") == "first"
blob = bytes(range(256)) * 4096
files.write("blob", blob)
assert bytes(files.read("blob", format="bytes")) == blob
files.make_dir("made")
files.rename("notes/a b.txt", "made/moved.txt")
assert [(e.name, e.type.value) for e in files.list("made")] == [("moved.txt", "file")]
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
url = sandbox.download_url("made/moved.txt")
assert urllib.request.urlopen(url).read() == b"first"
print("files done", flush=True)

server = run("python3 -m http.server 8000", background=True, timeout=0)
server.disconnect()
assert sandbox_ids() == [sandbox.sandbox_id.split("-")[0]]
pause = getattr(sandbox, "pause", getattr(sandbox, "beta_pause", None))
if pause:
    pause()
    print("paused", flush=True)
same = Sandbox.connect(sandbox.sandbox_id)
assert [process.pid for process in same.commands.list()] == [server.pid]
same.set_timeout(300)
assert same.is_running()
assert same.kill() is True
assert sandbox_ids() == []
print("task done", flush=True)
