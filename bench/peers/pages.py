"""Article text from HTML pages: the clean stage beside trafilatura, Resiliparse and Readability.js with
linkedom on the pages of article-extraction-benchmark and of trafilatura-eval, scored by the measure
of plugins/clean/measure."""

import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile

import measure  # plugins/clean/measure/measure.py
from tools import loaded, rounds, timed

HEADING = ["HTML pages", "benchmark F1", "exact pages", "trafilatura-eval F", "pages/s", "MB/s",
           "`clean` is faster by"]
PAGES_SHORT = 20


def read_benchmark(data):
    with tarfile.open(data / "clean" / "article-extraction-benchmark.tar.xz") as tar:
        files = {m.name.lstrip("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    gold = json.loads(files["ground-truth.json"])
    return ({key: gzip.decompress(files[f"html/{key}.html.gz"]) for key in gold},
            {key: gold[key]["articleBody"] for key in gold})


def read_segments(data):
    folder = data / "clean" / "trafilatura-eval"
    with open(folder / "evaldata.subset.json") as file:
        wanted = {entry["file"]: entry for entry in json.load(file).values()}
    with tarfile.open(folder / "html.tar.xz") as tar:
        pages = {os.path.basename(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
    return {name: pages[name] for name in wanted if name in pages}, wanted


def segment_row(entry, text):
    kept, wrong = measure.held(entry["with"], text), measure.held(entry["without"], text)
    return len(kept), len(wrong), len(entry["with"]) - len(kept)


def by_program(command, pages):
    """A run over pages by a program that writes what clean_measure writes."""
    def run():
        with tempfile.TemporaryDirectory() as folder:
            results = measure.extract(command, measure.write_pages(folder, pages))
        return ({os.path.basename(path): text for path, (text, _, _) in results.items()},
                sum(spent for _, spent, _ in results.values()) / 1e9)
    return run


def by_call(call, pages):
    def run():
        texts, seconds = timed(call, pages.values())
        return dict(zip(pages, texts)), seconds
    return run


def tools(options):
    """{name: function from pages to a run}"""
    clean = [str(options.build / "bin" / "clean_measure"), "--input", "html"]
    found = {"clean": lambda pages: by_program(clean, pages)}
    trafilatura, name = loaded("trafilatura", "trafilatura")
    if trafilatura:
        found[name] = lambda pages: by_call(
            lambda page: trafilatura.extract(page, include_comments=False) or "", pages)
    resiliparse, name = loaded("resiliparse.extract.html2text", "resiliparse")
    if resiliparse:
        encoding = loaded("resiliparse.parse.encoding", "resiliparse")[0]
        found[name] = lambda pages: by_call(
            lambda page: resiliparse.extract_plain_text(
                encoding.bytes_to_str(page, encoding.detect_encoding(page)), main_content=True), pages)
    node = ["node", "--single-threaded", str(options.build.parent.parent / "bench/peers/readability.mjs"),
            str(options.peers)]
    try:
        subprocess.run(node, stdin=subprocess.DEVNULL, check=True, stderr=subprocess.DEVNULL)
        found["Readability.js 0.6.0, linkedom 0.18.15"] = lambda pages: by_program(node, pages)
    except (OSError, subprocess.CalledProcessError):
        print("bench-peers: without Readability.js and linkedom", file=sys.stderr)
    return found


def table(options):
    pages, gold = read_benchmark(options.data)
    others, wanted = read_segments(options.data)
    if options.short:
        pages, others = (dict(list(part.items())[:PAGES_SHORT]) for part in (pages, others))
    found = tools(options)
    first = rounds({name: make(pages) for name, make in found.items()}, options.short)
    second = {name: make(others)()[0] for name, make in found.items()}
    size, ours = sum(map(len, pages.values())), first["clean"][1]
    rows = [HEADING]
    for name, (texts, seconds) in first.items():
        scores = measure.shingle_scores([measure.match(gold[key], texts[key]) for key in pages])
        kept = measure.segment_scores([segment_row(wanted[key], second[name][key]) for key in others])
        rows.append([name, f"{scores['F1']:.3f}", f"{scores['exact']:.3f}", f"{kept['F']:.3f}",
                     f"{len(pages) / seconds:.1f}", f"{size / seconds / 1e6:.1f}",
                     f"{seconds / ours:.1f}x"])
    return rows
