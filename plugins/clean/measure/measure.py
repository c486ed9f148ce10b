#!/usr/bin/env python3
"""Scores the clean stage on public sets: measure.py CLEAN_MEASURE DATA_FOLDER [--show FOLDER].

DATA_FOLDER is the folder `clean` of the measuring data (article-extraction-benchmark.tar.xz and
trafilatura-eval/). Where it is absent, this says so and exits 0. Nothing of the data is kept.

Rows: article-extraction-benchmark (F1 of 4-word shingles and share of exact pages, as its
evaluate.py counts them), trafilatura-eval (segments that must and must not be kept), and the
flattened pages (the stored outputs of inscriptis and html-text as text input, same gold and count
as the first). Each row is also given for the two halves `dev` and `test`, parted by a hash of the
page's name; rules were made looking at `dev` alone. The dateline, which the stage moves to a field
of its own, is put back before scoring, since the gold text keeps it. The lines that begin with
`quality` are for tests/quality/quality.py: measure, value over all pages, must, aim.
"""
import argparse
import collections
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

TOKEN = re.compile(r"\w+", re.UNICODE)


def half_of(name):
    return "dev" if hashlib.md5(name.encode()).digest()[0] % 2 == 0 else "test"


def shingles(text, size=4):
    tokens = TOKEN.findall(text)
    return collections.Counter(
        tuple(tokens[i:i + size]) for i in range(max(1, len(tokens) - size + 1)) if tokens)


def match(gold, found):
    gold, found = shingles(gold), shingles(found)
    true = sum((gold & found).values())
    extra = sum((found - gold).values())
    missed = sum((gold - found).values())
    total = true + extra + missed
    return (true / total, extra / total, missed / total) if total else (0.0, 0.0, 0.0)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def shingle_scores(rows):
    def precision(t, e, m):
        return 1.0 if e == 0 and m == 0 else (t / (t + e) if t + e else 0.0)

    def recall(t, e, m):
        return 1.0 if e == 0 and m == 0 else (t / (t + m) if t + m else 0.0)

    p = mean(precision(*row) for row in rows if row[0] + row[1] > 0)
    r = mean(recall(*row) for row in rows if row[0] + row[2] > 0)
    exact = mean(float(row[1] == 0 and row[2] == 0) for row in rows)
    return {"F1": 2 * p * r / (p + r) if p + r else 0.0, "precision": p, "recall": r,
            "exact": exact}


def extract(command, paths):
    """{path: (text with its dateline, nanoseconds, bytes)}, by a program that writes what clean_measure
    writes, of which the dateline and what follows it may be left out."""
    run = subprocess.run(command, input="\n".join(paths).encode() + b"\n",
                         stdout=subprocess.PIPE, check=True)
    data, at, out = run.stdout, 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        path, size, spent, text_size, *facts = data[at:end].decode().split("\t")
        text = data[end + 1:end + 1 + int(text_size)].decode()
        if facts and facts[0]:
            text = facts[0] + " - " + text
        out[path] = (text, int(spent), int(size))
        at = end + 1 + int(text_size) + 1
    return out


def speed(results):
    seconds = sum(row[1] for row in results.values()) / 1e9
    size = sum(row[2] for row in results.values())
    return (f"{len(results) / seconds:.0f} pages/s, {size / seconds / 1e6:.1f} MB/s, "
            f"{size / len(results) / 1000:.0f} KB a page, one thread's processor time")


def report(name, pages, scorer):
    for half in ("dev", "test", "all"):
        rows = [row for page, row in pages if half in ("all", half_of(page))]
        figures = "  ".join(f"{key} {value:.3f}" for key, value in scorer(rows).items())
        print(f"{name:38} {half:5} {len(rows):4}  {figures}")
    return scorer([row for _, row in pages])


def quality(measure, value, must, aim):
    print(f"quality\t{measure}\t{value:.3f}\t{must}\t{aim}")


def write_pages(folder, pages):
    for name, body in pages.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(body)
    return [os.path.join(folder, name) for name in pages]


def benchmark(program, archive, folder, show):
    with tarfile.open(archive) as tar:
        files = {m.name.lstrip("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    gold = json.loads(files["ground-truth.json"])
    pages = {key + ".html": gzip.decompress(files[f"html/{key}.html.gz"]) for key in gold}

    def run(name, bodies, kind):
        results = extract([program, "--input", kind], write_pages(folder, bodies))
        rows = []
        for path, (text, _, _) in results.items():
            key = os.path.basename(path).rsplit(".", 1)[0]
            row = match(gold[key]["articleBody"], text)
            rows.append((key, row))
            if show:
                with open(os.path.join(show, f"{name}-{key}.txt"), "w") as file:
                    file.write(f"{row}\n=== GOLD\n{gold[key]['articleBody']}\n=== FOUND\n{text}\n")
        if show:
            with open(os.path.join(show, f"{name}.tsv"), "w") as file:
                for key, row in sorted(rows, key=lambda entry: entry[1][0]):
                    file.write(f"{key}\t{half_of(key)}\t{row[0]:.3f}\t{row[1]:.3f}\t{row[2]:.3f}\n")
        scores = report(name, rows, shingle_scores)
        print(f"{'':38} {speed(results)}")
        return scores

    scores = run("article-extraction-benchmark", pages, "html")
    quality("article-extraction-benchmark, F1", scores["F1"], .955, .972)
    quality("article-extraction-benchmark, exact pages", scores["exact"], .42, .50)
    for peer in ("inscriptis", "html-text"):
        flat = json.loads(files[peer + ".json"])["output"]
        scores = run("flattened by " + peer,
                     {key + ".txt": flat[key]["articleBody"].encode() for key in gold}, "text")
        quality(f"flattened by {peer}, F1", scores["F1"], .88, .92)
    for peer in ("trafilatura", "rs_trafilatura", "readability_js"):
        stored = json.loads(files[peer + ".json"])["output"]
        report("peer, stored: " + peer,
               [(key, match(gold[key]["articleBody"], stored[key]["articleBody"]))
                for key in gold if key in stored], shingle_scores)


def segment_scores(rows):
    t, f, m = (sum(row[i] for row in rows) for i in range(3))
    p, r = t / max(1, t + f), t / max(1, t + m)
    return {"F": 2 * p * r / max(1e-9, p + r), "precision": p, "recall": r}


def held(segments, text):
    """Those of the segments that are in the text, blanks aside."""
    flat = " ".join(text.split())
    return [segment for segment in segments if segment in text or " ".join(segment.split()) in flat]


def segments(program, source, folder, show):
    with open(os.path.join(source, "evaldata.subset.json")) as file:
        wanted = json.load(file)
    with tarfile.open(os.path.join(source, "html.tar.xz")) as tar:
        pages = {os.path.basename(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
    results = extract([program, "--input", "html"], write_pages(folder, pages))
    rows = []
    notes = []
    for entry in wanted.values():
        path = os.path.join(folder, entry["file"])
        if path not in results:
            continue
        text = results[path][0]
        kept, wrong = held(entry["with"], text), held(entry["without"], text)
        rows.append((entry["file"], (len(kept), len(wrong), len(entry["with"]) - len(kept))))
        missed = [segment for segment in entry["with"] if segment not in kept]
        if (missed or wrong) and half_of(entry["file"]) == "dev":
            notes.append(f"{entry['file']}\tMISSED {missed}\tWRONG {wrong}\n")
    if show:
        with open(os.path.join(show, "segments.txt"), "w") as file:
            file.writelines(notes)
    scores = report("trafilatura-eval", rows, segment_scores)
    print(f"{'':38} {speed(results)}")
    quality("trafilatura-eval, F", scores["F"], .88, .93)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--show", help="an existing folder for gold and output side by side")
    options = parser.parse_args()
    archive = os.path.join(options.data, "article-extraction-benchmark.tar.xz")
    if not os.path.exists(archive):
        print(f"skipped: {archive} is absent")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        benchmark(options.program, archive, folder, options.show)
    with tempfile.TemporaryDirectory() as folder:
        segments(options.program, os.path.join(options.data, "trafilatura-eval"), folder,
                 options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
