"""Which language a text is in: the language stage and CLD2 (full tables), measured by language_quality,
beside CLD3, fastText (lid.176.ftz) and lingua on the same half of lid-dev, which served for no
fitting (every second row). Right: the first answer is the row's language; nb may also be told as
no. A tool that does not know one of the 79 languages misses its rows, as its user would."""

import gzip
import re

from quality import measured
from tools import loaded, rounds, timed

KINDS = {"word": "word", "pair": "pair", "sent": "sentence", "para": "paragraph", "doc4k": "4 KB"}
HEADING = ["Language", *(f"{name} %" for name in KINDS.values()), "MB/s on 4 KB", "`language` is faster by"]
OTHER_CODES = {"iw": "he", "fil": "tl"}
ROWS_SHORT = 200


def read(data, short):
    """{kind: [(code, text)]}"""
    rows = {kind: [] for kind in KINDS}
    with gzip.open(data / "lid" / "lid-dev.tsv.gz", "rt", encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file):
            kind, code, text = line.rstrip("\n").split("\t", 2)
            if number % 2 == 1:
                rows[kind].append((code, text))
    if short:
        rows = {kind: part[::max(1, len(part) // ROWS_SHORT)] for kind, part in rows.items()}
    return rows


def right(wanted, found):
    code = (found or "und").split("-")[0].lower()
    code = OTHER_CODES.get(code, code)
    return code == wanted or (wanted == "nb" and code == "no")


def tools(data):
    """{name: function from a text to a code}"""
    found = {}
    cld3, name = loaded("gcld3", "cld3-py")
    if cld3:
        by_cld3 = cld3.NNetLanguageIdentifier(0, 1000)
        found[f"CLD3 ({name})"] = lambda text: by_cld3.FindLanguage(text).language
    fasttext, name = loaded("fasttext", "fasttext-community")
    if fasttext:
        fasttext.FastText.eprint = lambda _: None
        model = fasttext.load_model(str(data / "lid" / "lid.176.ftz"))
        found[f"fastText, lid.176.ftz ({name})"] = (
            lambda text: model.predict(text)[0][0].removeprefix("__label__"))
    lingua, name = loaded("lingua", "lingua-language-detector")
    if lingua:
        detector = (lingua.LanguageDetectorBuilder.from_all_languages()
                    .with_preloaded_language_models().build())

        def by_lingua(text):
            language = detector.detect_language_of(text)
            return language.iso_code_639_1.name if language else "und"
        found[f"lingua, high accuracy ({name})"] = by_lingua
    return found


def of_language_quality(output):
    """Percent by kind and MB/s: of the stage, and of CLD2."""
    percents = {kind: (float(own), float(cld2)) for kind, own, cld2 in re.findall(
        r"^(\w+): \d+ rows, right ([\d.]+) %, plain CLD2 ([\d.]+) %", output, re.MULTILINE)}
    speeds = re.search(r"([\d.]+) MB/s, plain CLD2 ([\d.]+) MB/s", output).groups()
    return [([percents[kind][tool] for kind in KINDS], float(speeds[tool])) for tool in (0, 1)]


def table(options):
    rows = read(options.data, options.short)
    articles = [text for _, text in rows["doc4k"]]
    size = sum(len(text.encode()) for text in articles)
    own, cld2 = of_language_quality(measured("language", options.build, options.data)[1])
    lines = {"`language`": own, "CLD2, full tables (Debian's)": cld2}
    found = tools(options.data)
    times = rounds({name: lambda call=call: timed(call, articles) for name, call in found.items()},
                   options.short)
    for name, call in found.items():
        shares = [100 * sum(right(code, call(text)) for code, text in rows[kind]) / len(rows[kind])
                  for kind in KINDS]
        lines[name] = shares, size / times[name][1] / 1e6
    return [HEADING, *([name, *(f"{share:.1f}" for share in shares), f"{speed:.2f}", f"{own[1] / speed:.1f}x"]
                       for name, (shares, speed) in lines.items())]
