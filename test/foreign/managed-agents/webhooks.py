"""A receiver of webhooks that verifies them with the reference library of Standard Webhooks."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["SIGNING_KEY"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            webhook.verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            print(f"refused: {error}", flush=True)
            self.send_response(401)
        else:
            print(f"verified: {json.loads(body)['data']['type']}", flush=True)
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(f"listening on {server.server_port}.", flush=True)
server.serve_forever()
