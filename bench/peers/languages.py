"""Which language a text is in: the language stage beside CLD2, CLD3, fastText (lid.176.ftz) and lingua on
the half of lid-dev that served for no fitting (every second row). Right: the first answer is the
row's language; nb may also be told as no. A tool that does not know one of the 79 languages misses
its rows, as its user would."""

import gzip

from quality import measured
from tools import loaded, rounds, timed

KINDS = {"word": "word", "pair": "pair", "sent": "sentence", "para": "paragraph", "doc4k": "4 KB"}
HEADING = ["language", *(f"{name} %" for name in KINDS.values()), "MB/s on 4 KB", "language is faster by"]
OTHER_CODES = {"iw": "he", "fil": "tl", "jw": "jv", "in": "id", "ji": "yi"}
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
    cld2, name = loaded("pycld2", "pycld2")
    if cld2:
        def by_cld2(text):
            try:
                return cld2.detect(text, bestEffort=True)[2][0][1]
            except cld2.error:  # it refuses some characters
                return "und"
        found[f"CLD2 (full tables, {name})"] = by_cld2
    cld3, name = loaded("gcld3", "cld3-py")
    if cld3:
        by_cld3 = cld3.NNetLanguageIdentifier(0, 1000)
        found[f"CLD3 ({name})"] = lambda text: by_cld3.FindLanguage(text).language
    fasttext, name = loaded("fasttext", "fasttext-community")
    if fasttext:
        fasttext.FastText.eprint = lambda _: None
        model = fasttext.load_model(str(data / "lid" / "lid.176.ftz"))
        found[f"fastText lid.176.ftz ({name})"] = (
            lambda text: model.predict(text)[0][0].removeprefix("__label__"))
    lingua, name = loaded("lingua", "lingua-language-detector")
    if lingua:
        detector = (lingua.LanguageDetectorBuilder.from_all_languages()
                    .with_preloaded_language_models().build())

        def by_lingua(text):
            language = detector.detect_language_of(text)
            return language.iso_code_639_1.name if language else "und"
        found[f"lingua, high accuracy ({name.split()[-1]})"] = by_lingua
    return found


def table(options):
    rows = read(options.data, options.short)
    found = tools(options.data)
    articles = [text for _, text in rows["doc4k"]]
    size = sum(len(text.encode()) for text in articles)
    times = rounds({name: lambda call=call: timed(call, articles) for name, call in found.items()},
                   options.short)
    ours = measured("language", options.build, options.data)
    own_speed = ours["language, articles of 4 KB, MB/s"]
    out = [HEADING, ["language", *(f"{ours[f'language, {name} %']:.1f}" for name in KINDS.values()),
                     f"{own_speed:.1f}", "1.0x"]]
    for name, call in found.items():
        shares = [100 * sum(right(code, call(text)) for code, text in rows[kind]) / len(rows[kind])
                  for kind in KINDS]
        speed = size / times[name][1] / 1e6
        out.append([name, *(f"{share:.1f}" for share in shares), f"{speed:.2f}", f"{own_speed / speed:.1f}x"])
    return out
