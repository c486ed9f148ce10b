#!/usr/bin/env python3
"""Scores the titles of flattened pages: titles.py CLEAN_MEASURE DATA_FOLDER [--show FOLDER].

The standard is silver: what the stage itself reads from a page's metadata (`--input html`). Pages
whose flattened text does not hold that title are left out; nobody could find it there. Flattened
pages are the stored outputs of inscriptis and html-text for article-extraction-benchmark, and a
plain dump of tags to lines, with and without the page's <title>, for it and for trafilatura-eval.
DATA_FOLDER and the halves `dev` and `test` are those of measure.py. Exact: letters and digits
alike. F1: of words. Empty: no title found. Nothing of the data is kept.
"""
import argparse
import collections
import gzip
import html.parser
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

from measure import half_of, mean, write_pages

BLOCKS = set("address article aside blockquote body br button caption dd div dl dt fieldset "
             "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr label legend li main nav "
             "ol option p pre section select table tbody td textarea tfoot th thead title tr ul "
             .split())
SILENT = {"script", "style", "noscript", "template", "svg", "iframe", "object"}
LETTERS = re.compile(r"[\W_]+")
CHARSET = re.compile(rb"charset=[\"']?([\w-]+)", re.IGNORECASE)


class Dump(html.parser.HTMLParser):
    """A page as lines, everything left in."""

    def __init__(self, with_title):
        super().__init__()
        self.with_title, self.out, self.silent, self.in_title = with_title, [], None, False

    def handle_starttag(self, tag, _):
        if self.silent is None and tag in SILENT:
            self.silent = tag
        self.in_title = self.in_title or tag == "title"
        if tag in BLOCKS:
            self.out.append("\n")

    def handle_endtag(self, tag):
        if tag == self.silent:
            self.silent = None
        if tag == "title":
            self.in_title = False
        if tag in BLOCKS:
            self.out.append("\n")

    def handle_data(self, data):
        if self.silent is None and (self.with_title or not self.in_title):
            self.out.append(re.sub(r"\s+", " ", data))


def flatten(page, with_title):
    charset = CHARSET.search(page[:4096])
    try:
        text = page.decode(charset[1].decode() if charset else "utf-8", errors="replace")
    except LookupError:
        text = page.decode("utf-8", errors="replace")
    dump = Dump(with_title)
    dump.feed(text)
    lines = (line.strip() for line in "".join(dump.out).split("\n"))
    return "\n".join(line for line in lines if line)


def fold(text):
    return LETTERS.sub("", text.lower())


def words(text):
    return collections.Counter(re.findall(r"\w+", text.lower()))


def f1(wanted, found):
    wanted, found = words(wanted), words(found)
    both = sum((wanted & found).values())
    return 2 * both / (sum(wanted.values()) + sum(found.values())) if both else 0.0


def titles(program, paths, kind):
    """{name: title}"""
    run = subprocess.run([program, "--input", kind], input="\n".join(paths).encode() + b"\n",
                         stdout=subprocess.PIPE, check=True)
    data, at, out = run.stdout, 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        path, _, _, text_size, _, title = data[at:end].decode().split("\t")[:6]
        out[os.path.basename(path)] = title
        at = end + 1 + int(text_size) + 1
    return out


def report(program, name, flat, silver, show):
    with tempfile.TemporaryDirectory() as folder:
        found = titles(program, write_pages(folder, {k: v.encode() for k, v in flat.items()}),
                       "text")
    rows = [(key, silver[key], found[key]) for key in sorted(flat)
            if len(fold(silver[key])) >= 8 and fold(silver[key]) in fold(flat[key])]
    for half in ("dev", "test"):
        part = [row for row in rows if half_of(row[0].rsplit(".", 1)[0]) == half]
        print(f"{name:42} {half:5} {len(part):4}"
              f"  exact {mean(fold(w) == fold(f) for _, w, f in part):.3f}"
              f"  F1 {mean(f1(w, f) for _, w, f in part):.3f}"
              f"  empty {mean(not f for _, _, f in part):.3f}")
        if show and half == "dev":
            stem = os.path.join(show, name.replace(" ", "-"))
            os.makedirs(stem, exist_ok=True)
            with open(stem + ".txt", "w") as file:
                for key, wanted, got in part:
                    if fold(wanted) != fold(got):
                        file.write(f"{key}\n  WANTED {wanted}\n  FOUND  {got}\n")
                        with open(os.path.join(stem, key), "w") as page:
                            page.write(flat[key])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--show", help="an existing folder for what was missed on the dev half")
    options = parser.parse_args()
    archive = os.path.join(options.data, "article-extraction-benchmark.tar.xz")
    if not os.path.exists(archive):
        print(f"skipped: {archive} is absent")
        return 0
    with tarfile.open(archive) as tar:
        files = {m.name.lstrip("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    keys = json.loads(files["ground-truth.json"])
    sets = {"benchmark": {key: gzip.decompress(files[f"html/{key}.html.gz"]) for key in keys}}
    with tarfile.open(os.path.join(options.data, "trafilatura-eval", "html.tar.xz")) as tar:
        sets["trafilatura-eval"] = {os.path.basename(m.name): tar.extractfile(m).read()
                                    for m in tar if m.isfile()}
    for name, pages in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            silver = titles(options.program, write_pages(folder, pages), "html")
        if name == "benchmark":
            for peer in ("inscriptis", "html-text"):
                stored = json.loads(files[peer + ".json"])["output"]
                report(options.program, f"{name} by {peer}",
                       {key: stored[key]["articleBody"] for key in pages}, silver, options.show)
        for with_title in (True, False):
            report(options.program, f"{name} dumped {'with' if with_title else 'without'} <title>",
                   {key: flatten(page, with_title) for key, page in pages.items()}, silver,
                   options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
