/**
 * Extended attributes and inotify, which Node has no API for. It is a Python program, because sandboxes have Python
 * but no native add-ons, and is passed as an argument. Requests and answers are lines of JSON:
 *
 *   {"id": 1, "op": "get", "paths": [...]}                        → {"id": 1, "result": [{name: value}, ...]}
 *   {"id": 2, "op": "set", "path": "...", "values": {...}}        → {"id": 2, "result": null}, others are removed
 *   {"id": 3, "op": "watch", "path": "...", "recursive": true}    → {"id": 3, "result": null}, then
 *                                                                   {"watch": 3, "events": [["CREATE", "name"], ...]}
 *   {"id": 4, "op": "unwatch", "watch": 3}                        → {"id": 4, "result": null}
 *
 * A failure is {"id": 1, "error": "ENOENT", "message": "..."}.
 */
export const HELPER_SCRIPT = String.raw`
import ctypes, errno, json, os, select, struct, sys

PREFIX = "user.e2b."
libc = ctypes.CDLL(None, use_errno=True)
MODIFY, ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE = 2, 4, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, IGNORED, ISDIR, ONLYDIR = 0x400, 0x800, 0x8000, 0x40000000, 0x01000000
WATCHED = MODIFY | ATTRIB | MOVED_FROM | MOVED_TO | CREATE | DELETE | ONLYDIR
NAMES = [(CREATE | MOVED_TO, "CREATE"), (MODIFY, "WRITE"), (DELETE | DELETE_SELF, "REMOVE"),
         (MOVED_FROM | MOVE_SELF, "RENAME"), (ATTRIB, "CHMOD")]
watches = {}

def answer(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()

def failed(number, path):
    raise OSError(number, os.strerror(number), path)

class Watch:
    def __init__(self, number, path, recursive):
        self.number, self.path, self.recursive, self.names = number, path, recursive, {}
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0: failed(ctypes.get_errno(), path)
        try:
            self.add("", WATCHED | DELETE_SELF | MOVE_SELF)
            if recursive: self.add_below("", None)
        except OSError:
            os.close(self.fd)
            raise

    def add(self, name, mask):
        path = os.path.join(self.path, name) if name else self.path
        wd = libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask))
        if wd < 0: failed(ctypes.get_errno(), path)
        self.names[wd] = name

    # Reports entries that were made in a new folder before it was watched as if they were made now.
    def add_below(self, name, events):
        try: entries = list(os.scandir(os.path.join(self.path, name)))
        except OSError: return
        for entry in entries:
            inner = os.path.join(name, entry.name)
            folder = entry.is_dir(follow_symlinks=False)
            if events is not None:
                events.append(["CREATE", inner])
                try:
                    if not folder and entry.stat(follow_symlinks=False).st_size: events.append(["WRITE", inner])
                except OSError: pass
            if folder: self.enter(inner, events)

    def enter(self, name, events):
        try: self.add(name, WATCHED)
        except OSError as error:
            if error.errno == errno.ENOSPC: raise
            return
        self.add_below(name, events)

    def read(self):
        data, at, events = os.read(self.fd, 65536), 0, []
        while at < len(data):
            wd, mask, _, size = struct.unpack_from("iIII", data, at)
            name = os.fsdecode(data[at + 16:at + 16 + size].rstrip(b"\0"))
            at += 16 + size
            if mask & IGNORED: self.names.pop(wd, None)
            if wd not in self.names: continue
            full = os.path.join(self.names[wd], name) if name else self.names[wd]
            for bits, word in NAMES:
                # The watch of the parent folder reports a change of a watched folder's own attributes.
                if mask & bits and (name or word in ("REMOVE", "RENAME")): events.append([word, full or "."])
            if self.recursive and mask & ISDIR and mask & (CREATE | MOVED_TO): self.enter(full, events)
            if mask & ISDIR and mask & MOVED_FROM:
                for inner in [w for w, n in self.names.items() if n == full or n.startswith(full + "/")]:
                    libc.inotify_rm_watch(self.fd, inner)
                    self.names.pop(inner, None)
        if events: answer({"watch": self.number, "events": events})

def attributes(path):
    try:
        found = [name for name in os.listxattr(path) if name.startswith(PREFIX)]
        return {name[len(PREFIX):]: os.getxattr(path, name).decode("utf-8", "replace") for name in found}
    except OSError:
        return {}

def perform(request):
    op = request["op"]
    if op == "get": return [attributes(path) for path in request["paths"]]
    if op == "set":
        path = request["path"]
        try: known = os.listxattr(path)
        except OSError: known = []
        for name in known:
            if name.startswith(PREFIX): os.removexattr(path, name)
        for name, value in request["values"].items(): os.setxattr(path, PREFIX + name, value.encode())
    if op == "watch":
        watches[request["id"]] = Watch(request["id"], request["path"], request["recursive"])
    if op == "unwatch":
        watch = watches.pop(request["watch"], None)
        if watch: os.close(watch.fd)

def serve(line):
    request = json.loads(line)
    try: answer({"id": request["id"], "result": perform(request)})
    except OSError as error:
        answer({"id": request["id"], "error": errno.errorcode.get(error.errno, "EIO"), "message": str(error)})

buffered = b""
while True:
    ready, _, _ = select.select([0] + [watch.fd for watch in watches.values()], [], [])
    for watch in list(watches.values()):
        if watch.fd in ready: watch.read()
    if 0 in ready:
        chunk = os.read(0, 1 << 20)
        if not chunk: break
        *lines, buffered = (buffered + chunk).split(b"\n")
        for line in lines: serve(line)
`;
