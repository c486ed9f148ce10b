#!/usr/bin/python3
"""Pushes files to a running wiremilld and prints the sequence of each once it is on disk.

push.py ENDPOINT FILE...        push.py tcp://127.0.0.1:5750 article.html

Sent again, a file with the same name and content is answered with its first sequence.
"""
import sys

import zmq

if len(sys.argv) < 3:
    sys.exit(__doc__)
intake = zmq.Context.instance().socket(zmq.REQ)
intake.sndtimeo, intake.rcvtimeo, intake.linger = 10_000, 10_000, 0  # milliseconds
intake.connect(sys.argv[1])
for name in sys.argv[2:]:
    document = {"id": name, "source": "example.org", "body": open(name, errors="replace").read()}
    try:
        intake.send(b"application/json", zmq.SNDMORE)
        intake.send_json(document)
        reply = intake.recv_json()
    except zmq.Again:
        sys.exit(f"{name}: no answer from {sys.argv[1]} within 10 s; it may or may not be stored")
    if "nack" in reply:
        sys.exit(f"{name}: refused: {reply['nack']['code']}: {reply['nack']['message']}")
    print(reply["ack"]["sequence"], reply["ack"]["id"])
