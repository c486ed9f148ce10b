#!/usr/bin/env python3
"""What the memory per source lifts: source_memory.py WIREMILL DATA_FOLDER.

Streams the pages of article-extraction-benchmark through `wiremill run`, each with its host as
source, without and with the memory, and scores them as measure.py does. Of 126 hosts 55 have two
pages and none has more, so here a line is furniture once it stood in two documents
(`memory_documents: 2`; the default is three), and only the second page of a pair can gain. Each
pair goes through in both orders; 110 second pages are scored. The default of three is held against
the same pages too: with two pages a host it must change nothing. `unbounded` takes out the lines
known from two documents however little or much of a text they are.

The gold text of this set keeps some lines that every page of a site carries ("Originally published
on …", a copyright line), so a page can lose its exactness by losing such a line: the column
`gold lines` counts the lines taken out that the gold text holds, of all lines taken out.
DATA_FOLDER is that of measure.py; where it is absent, this says so and exits 0.
"""
import collections
import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse

from measure import match, shingle_scores


def clean(wiremill, folder, options, documents):
    """[text with its dateline], in the order of the documents"""
    config, stream = os.path.join(folder, "config.yaml"), os.path.join(folder, "stream.jsonl")
    with open(config, "w") as file:
        json.dump({"stages": [{"name": "clean", "options": options}]}, file)
    with open(stream, "w") as file:
        file.writelines(json.dumps(document) + "\n" for document in documents)
    run = subprocess.run([wiremill, "run", "--config", config, "--format", "json", stream],
                         stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return [f"{each['dateline']} - {each['text']}" if each["dateline"] else each["text"]
            for each in results]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n")[0])
    wiremill, archive = sys.argv[1], os.path.join(sys.argv[2], "article-extraction-benchmark.tar.xz")
    if not os.path.exists(archive):
        print(f"skipped: {archive} is absent")
        return
    with tarfile.open(archive) as tar:
        files = {m.name.lstrip("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    gold = {key: entry["articleBody"] for key, entry in json.loads(files["ground-truth.json"]).items()}
    hosts = collections.defaultdict(list)
    for key, entry in json.loads(files["ground-truth.json"]).items():
        hosts[urllib.parse.urlparse(entry["url"]).netloc].append(key)
    pairs = {host: keys for host, keys in hosts.items() if len(keys) == 2}

    bodies = {"html": ("text/html", {
        key: gzip.decompress(files[f"html/{key}.html.gz"]).decode(errors="replace") for key in gold})}
    for peer in ("inscriptis", "html-text"):
        flat = json.loads(files[peer + ".json"])["output"]
        bodies["flattened by " + peer] = ("text/plain",
                                          {key: flat[key]["articleBody"] for key in gold})
    for name, (content_type, pages) in bodies.items():
        texts = {}
        for label, options in (("without", {"memory": False}), ("of three", {}),
                               ("of two", {"memory_documents": 2}),
                               ("unbounded", {"memory_documents": 2, "memory_percent_min": 0,
                                              "memory_percent_max": 100})):
            texts[label] = {}
            for order in (0, 1):
                stream = [(host, keys[order ^ turn]) for turn in (0, 1)
                          for host, keys in pairs.items()]
                documents = [{"source": host, "content_type": content_type, "body": pages[key]}
                             for host, key in stream]
                with tempfile.TemporaryDirectory() as folder:
                    found = clean(wiremill, folder, options, documents)
                texts[label].update((key, text) for (_, key), text in
                                    list(zip(stream, found))[len(pairs):])
        for label, found in texts.items():
            out = [(key, line) for key, text in found.items()
                   for line in set(texts["without"][key].split("\n")) - set(text.split("\n"))]
            in_gold = sum(" ".join(line.split()) in " ".join(gold[key].split()) for key, line in out)
            scores = shingle_scores([match(gold[key], text) for key, text in found.items()])
            changed = sum(text != texts["without"][key] for key, text in found.items())
            print(f"{name:24} memory {label:9} {len(found):4}  "
                  + "  ".join(f"{key} {value:.3f}" for key, value in scores.items())
                  + f"  changed {changed:3}  gold lines {in_gold} of {len(out)}")


if __name__ == "__main__":
    main()
