"""The measuring programs that quality.py runs, and the figures of other tools for their rows.

A command is typed from the repository's root; {build} and {data} are the build folder and the folder
of public sets. Every measure named here must be in the program's output. The figures of other tools
are those they publish or that were measured on the same sets, and stand here for comparison only;
`make bench-peers` measures those that can be installed.
"""

import dataclasses


@dataclasses.dataclass
class Program:
    name: str
    command: str
    needs: list
    peers: dict
    speeds: tuple = ()  # measures that depend on what else the machine does: not in the short form
    long: bool = False  # nothing but such measures


KEPT_ELSEWHERE = ("Not measured here: pages unseen in development (F1 must .90, aim .95; trafilatura .922, "
                  "Readability .878),\nwhich are kept elsewhere so that nothing is fitted to them.")

PROGRAMS = [
    Program(
        "clean", "python3 plugins/clean/measure/measure.py {build}/bin/clean_measure {data}/clean",
        ["clean/article-extraction-benchmark.tar.xz", "clean/trafilatura-eval"],
        {"article-extraction-benchmark, F1":
             "trafilatura .958, rs_trafilatura .970, AutoExtract .970",
         "article-extraction-benchmark, exact pages":
             "trafilatura .293, rs_trafilatura .287, AutoExtract .470",
         "flattened by inscriptis, F1": "jusText with the full HTML .804",
         "flattened by html-text, F1": "jusText with the full HTML .804",
         "trafilatura-eval, F": "trafilatura .92"}),
    Program(
        "sentences",
        "WIREMILL_GOLDEN_RULES={data}/clean/golden-rules/golden_rules.json"
        " {build}/tests/golden_rules_test",
        ["clean/golden-rules/golden_rules.json"],
        {"golden rules, en %": "pySBD 98 at 0.09 MB/s",
         "golden rules, es %": "-", "golden rules, ru %": "-", "golden rules, it %": "-",
         "golden rules, da %": "-"}),
    Program(
        "language",
        "{build}/bin/language_quality plugins/language/language.model"
        " <(gzip -dc {data}/lid/lid-dev.tsv.gz) {data}/lid/noise.tsv",
        ["lid/lid-dev.tsv.gz", "lid/noise.tsv"],
        {"language, word %": "lingua 74.2, CLD2 66, fastText 45.9",
         "language, pair %": "lingua 89.2, CLD2 82.5, fastText 59.1",
         "language, sentence %": "lingua 95.9, CLD2 95.1, fastText 77.9",
         "language, top-20 sentence %": "fastText 98.4",
         "language, top-20 paragraph %": "fastText 100",
         "language, top-20 4 KB %": "fastText 100",
         "language, calibration error": "fastText .018, CLD2 .118",
         "language, noise given und or zxx %": "CLD3 calls it Japanese",
         "language, 500 noise rows of our own given und or zxx %": "CLD3 calls it Japanese",
         "language, mixed, share error in points, of nine documents in ten": "only CLD2 does it",
         "language, speed on 4 KB articles by CLD2's": "-"},
        speeds=("language, speed on 4 KB articles by CLD2's",)),
    Program(
        "speed", "{build}/bin/stages --articles tests/data/articles --data {data}/clean",
        ["clean/article-extraction-benchmark.tar.xz"],
        {"sentences and tokens, articles, MB/s": "pySBD .1, sentences alone",
         "sentences and tokens, cleaned pages, MB/s": "pySBD .1, sentences alone",
         "sentences and tokens, flattened pages, MB/s": "-",
         "clean, text mode, articles, MB/s": "-",
         "clean, text mode, flattened pages, MB/s": "-",
         "clean, HTML, pages, pages/s": "trafilatura 29, Readability.js 28"},
        long=True),
    Program(
        "entities",
        "{build}/bin/entities_measure --model plugins/entities/entities.model --data {data}",
        ["ner/eval/worldwide-dev.tar.xz", "ner/train/wikinews-gold"],
        {"worldwide-dev, names, F1 %": "-"}),
    Program(
        "duplicates",
        "gzip -dc {data}/dedup/near-dev.tsv.gz | {build}/bin/duplicates_measure /dev/stdin",
        ["dedup/near-dev.tsv.gz"],
        {"near-dev, copies, F1": "-"}),
    Program(
        "summary",
        "xzcat {data}/summary/cnn-dev.csv.xz | {build}/bin/summary_quality",
        ["summary/cnn-dev.csv.xz"],
        {"cnn-dev, ROUGE-1 F1 %": "first three sentences 27.93"}),
]
