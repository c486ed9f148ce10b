#!/usr/bin/python3
"""Checks that the sample articles are what their expected.jsonl says. Run by ctest; needs no packages.

check_articles.py FOLDER [samples]

Every file of FOLDER is listed and every listed file is there; phrases and names stand in the file as
delivered; furniture that must go is there to begin with; near and exact copies are close to what
they copy, and only those. With `samples`, also that the set has the mix that README.md promises.
"""
import collections
import html
import itertools
import json
import pathlib
import re
import sys

KINDS = {"original", "exact", "near", "story", "empty", "invalid_utf8"}
FIELDS = {"file", "language", "title", "source", "kind", "of", "story", "published",
          "must_contain", "must_not_contain"}
NAMES = {"people", "organizations", "places"}
LANGUAGES = set("en de fr es it pt nl pl ru uk tr ar hi zh ja kk no".split())

folder = pathlib.Path(sys.argv[1])
errors = []


def expect(condition, message):
    if not condition:
        errors.append(message)


def decode(row, raw):
    """The file as text. The charset that a page declares wins; only invalid_utf8 may be broken."""
    charset = re.search(rb"charset=\"?(windows-1252)", raw)
    if charset:
        return raw.decode(charset[1].decode())
    try:
        text = raw.decode()
        expect(row["kind"] != "invalid_utf8", f"{row['file']}: is valid UTF-8 but should not be")
        return text
    except UnicodeDecodeError as error:
        expect(row["kind"] == "invalid_utf8", f"{row['file']}: {error}")
        return raw.decode(errors="replace")


def folded(text):
    return "".join(text.lower().split())


def grams(text):
    """Every seven characters in a row, white space apart."""
    letters = folded(html.unescape(text))
    return {letters[i:i + 7] for i in range(len(letters) - 6)}


def check_row(row, texts):
    name = row["file"]
    keys = FIELDS | NAMES if row["language"] == "en" else FIELDS
    expect(set(row) == keys, f"{name}: fields differ: {sorted(set(row) ^ keys)}")
    expect(row["kind"] in KINDS, f"{name}: unknown kind {row['kind']}")
    text = html.unescape(texts[name])
    wanted = row["must_contain"] + row["must_not_contain"] + [row["title"] or ""]
    for phrase in itertools.chain(wanted, *(row.get(key, []) for key in sorted(NAMES))):
        expect(phrase in text, f"{name}: not in the file: {phrase}")
    for phrase in itertools.product(row["must_contain"], row["must_not_contain"]):
        expect(phrase[1] not in phrase[0], f"{name}: both wanted and not: {phrase[1]}")
    if row["kind"] == "empty":
        expect(text == "", f"{name}: is not empty")
        return
    expect(len(row["must_contain"]) >= 2, f"{name}: fewer than two phrases to look for")
    expect((row["kind"] in ("exact", "near")) == (row["of"] is not None), f"{name}: kind and of")
    expect((row["kind"] == "story") == (row["story"] is not None), f"{name}: kind and story")
    if row["of"]:
        expect(row["of"] in texts and row["of"] < name, f"{name}: must come after {row['of']}")


def check_copies(rows, texts):
    original = {row["file"]: row["of"] or row["file"] for row in rows}
    kinds = {row["file"]: row["kind"] for row in rows}
    sets = {name: grams(text) for name, text in texts.items()}
    for one, other in itertools.combinations(sorted(texts), 2):
        alike = len(sets[one] & sets[other]) / max(1, len(sets[one] | sets[other]))
        if original[one] != original[other]:
            expect(alike < 0.3, f"{other}: similarity {alike:.3f} to {one}, yet no copy of it")
        elif kinds[other] == "exact":
            expect(texts[one] != texts[other] and folded(texts[one]) == folded(texts[other]),
                   f"{other}: must differ from {one} in white space only")
        else:
            expect(0.6 <= alike < 1, f"{other}: similarity {alike:.3f} to {one}, not a near copy")


def check_mix(rows):
    count = collections.Counter(row["kind"] for row in rows)
    languages = collections.Counter(row["language"] for row in rows)
    stories = collections.Counter(row["story"] for row in rows if row["story"])
    flat = [row for row in rows if row["file"].endswith(".txt") and row["must_not_contain"]]
    expect(len(rows) >= 44, f"{len(rows)} files, fewer than 44")
    expect(languages["en"] >= 26, f"{languages['en']} English files, fewer than 26")
    expect(LANGUAGES <= set(languages), f"languages missing: {LANGUAGES - set(languages)}")
    for kind, number in (("near", 3), ("exact", 1), ("invalid_utf8", 1), ("empty", 1)):
        expect(count[kind] == number, f"{count[kind]} of kind {kind}, not {number}")
    expect(list(stories.values()) == [3], f"stories: {dict(stories)}, not one of three")
    expect(sum(row["file"].endswith(".html") for row in rows) >= 8, "fewer than 8 pages of HTML")
    expect(len(flat) >= 8, f"{len(flat)} flattened pages, fewer than 8")
    expect(sum(row["file"].endswith(".md") for row in rows) == 1, "not one Markdown file")


rows = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
present = sorted(path.name for path in folder.iterdir() if path.name[:2].isdigit())
listed = [row["file"] for row in rows]
if listed != present:
    sys.exit(f"listed but absent, or the reverse, or not in order: {sorted(set(listed) ^ set(present))}")
texts = {row["file"]: decode(row, (folder / row["file"]).read_bytes()) for row in rows}
for row in rows:
    check_row(row, texts)
check_copies(rows, texts)
if sys.argv[2:] == ["samples"]:
    check_mix(rows)
if errors:
    sys.exit("\n".join(errors))
print(f"{len(rows)} files as listed")
