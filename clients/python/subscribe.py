#!/usr/bin/python3
"""Prints each result that wiremilld publishes: sequence, language, title, names.

subscribe.py ENDPOINT [TOPIC [COUNT [SECONDS]]]        subscribe.py tcp://127.0.0.1:5751 en/

TOPIC is a prefix of "<language>/<source>/"; none, or "", is everything. Ends after COUNT results
(0: never), and with an error when nothing was heard for SECONDS. PYTHONPATH names the folder of the
generated messages: build/release/share/wiremill/python.
"""
import sys

import zmq
from wiremill.v1.document_pb2 import Result

if not 2 <= len(sys.argv) <= 5:
    sys.exit(__doc__)
endpoint, prefix, count, seconds = (sys.argv[1:] + ["", "0", "0"][len(sys.argv) - 2:])
feed = zmq.Context.instance().socket(zmq.SUB)
feed.rcvtimeo = int(float(seconds) * 1000) or -1
feed.subscribe(prefix)
feed.connect(endpoint)
left = int(count) or -1
while left:
    try:
        topic, *_, payload = feed.recv_multipart()
    except zmq.Again:
        sys.exit(f"nothing heard from {endpoint} for {seconds} s")
    if topic.endswith(b"/"):  # any other topic is the heartbeat
        result = Result.FromString(payload)
        names = ", ".join(entity.name for entity in result.entities)
        print(result.sequence, result.language.code, result.title, names, sep="\t", flush=True)
        left -= 1
