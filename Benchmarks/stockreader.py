"""Reads a hub's events with the stock azure-eventhub client; started by `events --stock-python`.

Its standard input is a JSON object with the connection string, the authority's file, and how many
events to read from the beginning of the stream. It prints the count, the seconds from the first
event to the last, and the processor time that it took meanwhile.
"""

import json
import sys
import threading
import time

from azure.eventhub import EventHubConsumerClient


def main():
    wanted = json.load(sys.stdin)
    client = EventHubConsumerClient.from_connection_string(
        wanted["connection_string"], consumer_group="$Default",
        connection_verify=wanted["authority"])
    lock, seen, begun, done = threading.Lock(), 0, None, threading.Event()

    def take(_, events):
        nonlocal seen, begun
        with lock:
            if events and begun is None:
                begun = (time.monotonic(), time.process_time())
            seen += len(events)
            if seen >= wanted["count"]:
                done.set()

    reading = threading.Thread(target=client.receive_batch, daemon=True, kwargs={
        "on_event_batch": take, "starting_position": "-1", "max_batch_size": 1000,
        "prefetch": 5000})
    reading.start()
    if not done.wait(wanted["within_s"]):
        sys.exit(f"{seen} of {wanted['count']} events within {wanted['within_s']} s")
    first, processor = begun
    figures = {"count": seen, "seconds": time.monotonic() - first,
               "cpu_seconds": time.process_time() - processor}
    client.close()
    print(json.dumps(figures))


main()
