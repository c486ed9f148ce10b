"""Sentences: ours beside pySBD on the golden rules (a case counts where every sentence of it is cut as
asked, blanks aside) and, for speed, on the article texts of article-extraction-benchmark: pySBD on those written by
hand, ours on what the clean stage finds in the same pages, tokens included."""

import json

from pages import read_benchmark
from quality import measured
from tools import loaded, rounds, timed

SETS = {"en-golden48": "en", "spanish": "es", "russian": "ru", "italian": "it", "danish": "da"}
HEADING = ["Sentences", *(f"{language} %" for language in SETS.values()), "MB/s", "ours are faster by"]
TEXTS_SHORT = 10


def joined(sentences):
    return ["".join(sentence.split()) for sentence in sentences if sentence.strip()]


def table(options):
    ours, _ = measured("sentences", options.build, options.data)
    speeds, _ = measured("speed", options.build, options.data)
    own_speed = speeds["sentences and tokens, cleaned pages, MB/s"]
    out = [HEADING, ["Wiremill", *(f"{ours[f'golden rules, {language} %']:.1f}"
                                   for language in SETS.values()), f"{own_speed:.1f}", "1.0x"]]
    pysbd, name = loaded("pysbd", "pysbd")
    if pysbd:
        with open(options.data / "clean" / "golden-rules" / "golden_rules.json") as file:
            cases = json.load(file)
        shares = []
        for key, language in SETS.items():
            cut = pysbd.Segmenter(language=language, clean=False).segment
            right = [joined(cut(case["text"])) == joined(case["sentences"])
                     for case in cases[key]["cases"]]
            shares.append(100 * sum(right) / len(right))
        texts = list(read_benchmark(options.data)[1].values())[:TEXTS_SHORT if options.short else None]
        english = pysbd.Segmenter(language="en", clean=False)
        seconds = rounds({name: lambda: timed(english.segment, texts)}, options.short)[name][1]
        speed = sum(len(text.encode()) for text in texts) / seconds / 1e6
        out.append([name, *(f"{share:.1f}" for share in shares), f"{speed:.3f}", f"{own_speed / speed:.0f}x"])
    return out
