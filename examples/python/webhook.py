"""A receiver of webhooks: prints one line for each event that the hub posts to it.

The hub sends an event again until it is answered with a status from 200 to 299, and may send one
twice: `source` and `id` tell them apart.

usage: webhook.py [--port PORT] [--count N]
"""

import argparse
import http.server
import json


class Receiver(http.server.BaseHTTPRequestHandler):
    seen = set()

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # One event, or several in an array where the endpoint has maxEventsPerBatch.
        for event in content if isinstance(content, list) else [content]:
            if (event["source"], event["id"]) not in self.seen:
                self.seen.add((event["source"], event["id"]))
                print(event["time"], event["subject"], event["data"]["body"], flush=True)
        # Only now: what is answered is not sent again.
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--port", type=int, default=8099)
    words.add_argument("--count", type=int, help="end after so many events")
    options = words.parse_args()
    with http.server.HTTPServer(("127.0.0.1", options.port), Receiver) as server:
        while options.count is None or len(Receiver.seen) < options.count:
            server.handle_request()


if __name__ == "__main__":
    main()
