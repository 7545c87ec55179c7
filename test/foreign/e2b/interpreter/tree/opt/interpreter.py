"""A small stand-in of the program on port 49999 of E2B's template `code-interpreter-v1`: Python in one namespace."""

import contextlib
import io
import json
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

contexts = {"default": {}}


def execute(code, context):
    yield {"type": "number_of_executions", "execution_count": 1}
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            *lines, last = code.strip().split("\n")
            exec("\n".join(lines), context)
            try:
                value = eval(last, context)
            except SyntaxError:
                value = exec(last, context)
    except Exception as error:
        kind = type(error).__name__
        trace = traceback.format_exc()
        yield {"type": "error", "name": kind, "value": str(error), "traceback": trace}
        return
    if out.getvalue():
        yield {"type": "stdout", "text": out.getvalue(), "timestamp": 0}
    if value is not None:
        yield {"type": "result", "text": repr(value), "is_main_result": True}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        if self.path.startswith("/contexts"):
            made = {"id": f"c{len(contexts)}", "language": "python", "cwd": "/home/user"}
            contexts[made["id"]] = {}
            self.wfile.write(json.dumps(made).encode())
            return
        context = contexts[asked.get("context_id") or "default"]
        for event in execute(asked["code"], context):
            self.wfile.write(json.dumps(event).encode() + b"\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 49999), Handler).serve_forever()
