"""A small simulator of the program on port 49999 of E2B's template `code-interpreter-v1`: Python only, one run at a time."""

import ast
import contextlib
import json
import os
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

HOME = "/home/user"
contexts = {}
running = threading.Lock()


class Context:
    def __init__(self, key, cwd=None):
        self.shown = {"id": key, "language": "python", "cwd": cwd or HOME}
        self.restart()

    def restart(self):
        self.names, self.count = {"__name__": "__main__"}, 0


class Lines:
    """Sends the written text line by line."""

    def __init__(self, kind, say):
        self.kind, self.say, self.rest = kind, say, ""

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.send(line + "\n")
        return len(text)

    def flush(self):
        if self.rest:
            self.send(self.rest)
        self.rest = ""

    def send(self, text):
        self.say({"type": self.kind, "text": text, "timestamp": time.time_ns()})


def execute(code, context, env, say):
    context.count += 1
    say({"type": "number_of_executions", "execution_count": context.count})
    out, err = Lines("stdout", say), Lines("stderr", say)
    try:
        os.chdir(context.shown["cwd"])
        body = ast.parse(code).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        environment = mock.patch.dict(os.environ, env)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), environment:
            exec(compile(ast.Module(body, []), "<cell>", "exec"), context.names)
            value = last and eval(compile(ast.Expression(last.value), "<cell>", "eval"), context.names)
        out.flush(), err.flush()
        if value is not None:
            say({"type": "result", "text": repr(value), "is_main_result": True})
    except BaseException as error:
        out.flush(), err.flush()
        told = {"name": type(error).__name__, "value": str(error), "traceback": traceback.format_exc()}
        say({"type": "error", **told})


class Handler(BaseHTTPRequestHandler):
    def answer(self, body=None, status=200):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        if body is not None:
            self.say(body)

    def say(self, message):
        self.wfile.write(json.dumps(message).encode() + b"\n")
        self.wfile.flush()

    def do_GET(self):
        if self.path != "/contexts":
            return self.answer({"detail": "Not Found"}, 404)
        self.answer([context.shown for context in contexts.values()])

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or b"{}")
        _, part, *rest = self.path.split("/")
        if part == "contexts" and not rest:
            key = f"c{time.time_ns()}"
            contexts[key] = Context(key, asked.get("cwd"))
            return self.answer(contexts[key].shown)
        key = rest[0] if rest else asked.get("context_id") or "default"
        if key not in contexts:
            return self.answer({"detail": f"Context {key} not found"}, 404)
        if part == "contexts":
            contexts[key].restart()
            return self.answer({})
        self.answer()
        with running:
            execute(asked["code"], contexts[key], asked.get("env_vars") or {}, self.say)

    def do_DELETE(self):
        gone = contexts.pop(self.path.split("/")[-1], None)
        self.answer({}, 200 if gone else 404)

    def log_message(self, *_):
        pass


contexts["default"] = Context("default")
ThreadingHTTPServer(("", 49999), Handler).serve_forever()
