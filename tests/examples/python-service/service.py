"""Answers on $PORT with a greeting, the release it is of, and whether it runs in its own environment."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

RELEASE = Path(__file__).with_name("release.txt").read_text().strip()
PLACE = "its own environment" if sys.prefix != sys.base_prefix else "the system's"


class Greeting(BaseHTTPRequestHandler):
    def do_GET(self):
        text = "well\n" if self.path == "/healthz" else f"Hello from {RELEASE} in {PLACE}\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Greeting).serve_forever()
