"""Holds what the subscribers of torture_load saw against what its clients were acknowledged, from the
files alone that load_peers.hpp describes. Called by load.py when a run is over; a run of 5 million
documents takes some 250 MB.

The argument: every acknowledgement {client, number, sequence} finds its own document at `sequence`, so
nothing was lost and no sequence was given out twice; what was sent again under a new number got the
sequence of its first; and there are as many results as first ones, so no document has two.
"""

import array
import os

PROCESSED = 1
KEY = (1 << 56) - 1
REPEAT_DISTANCE = 50_000


def read(path):
    rows = array.array("Q")
    with open(path, "rb") as file:
        rows.frombytes(file.read())
    return rows


def original(number):
    """As Client::original has it."""
    if number % 16 == 15:
        return number - 1 - 2 * (number // 16 % 7)
    if number % 16 == 7:
        return (number - min(number // 2, REPEAT_DISTANCE)) & ~1
    return number


def check(folder, clients, subscribers, replay, note):
    """`replay` is the first and last sequence that the log still held. Answers (acknowledged, results)."""
    names = sorted(name for name in os.listdir(folder)
                   if name.startswith("seen.") and name != "seen.replay")
    seen = read(os.path.join(folder, names[0]))
    for name in names[1:subscribers]:
        other = read(os.path.join(folder, name))
        if other != seen:
            note("gap", f"{names[0]} saw {len(seen) // 2} results, {name} {len(other) // 2}, "
                        f"and not the same")
    check_replay(seen, read(os.path.join(folder, "seen.replay")), replay, note)
    results = seen[1::2]
    acknowledged = firsts = 0
    for client in range(1, clients + 1):
        sequences = read(os.path.join(folder, f"acknowledged.{client}"))
        acknowledged += len(sequences)
        for number, sequence in enumerate(sequences, 1):
            first = original(number)
            firsts += first == number
            key = results[sequence - 1] & KEY if 1 <= sequence <= len(results) else None
            if key != client << 48 | first:
                there = "no result" if key is None else f"{key >> 48}/{key & (1 << 48) - 1}"
                note("lost", f"{client}/{number} was acknowledged as {sequence}; there is {there}")
            elif first != number and sequences[first - 1] != sequence:
                note("twice", f"{client}/{first} was acknowledged as {sequences[first - 1]}, again as "
                              f"{sequence}")
    if len(results) > firsts:
        note("twice", f"{len(results)} results of {firsts} acknowledged documents")
    for sequence, result in enumerate(results, 1):
        if result >> 56 != PROCESSED:
            note("dead", f"result {sequence} has the status {result >> 56}")
    return acknowledged, len(results)


def check_replay(seen, again, kept, note):
    """What was shown to a subscriber still stands."""
    first, last = max(1, kept[0]), kept[1]
    if last != len(seen) // 2:
        note("lost", f"the log ends at {last}, but {len(seen) // 2} results were seen")
    if seen[2 * first - 2:] != again[2 * first - 2:]:
        differs = [i // 2 + 1 for i in range(2 * first - 2, min(len(seen), len(again)))
                   if seen[i] != again[i]]
        note("changed", f"from {first} on {len(differs)} results are not as seen, the first is "
                        f"{differs[0] if differs else 'missing'}")
