#!/usr/bin/python3
"""A stage for Wiremill as a program: numbers the documents of each source and counts their words.

In a configuration:  stages:
                       - name: numbered
                         command: [/usr/bin/python3, example_stage.py]
                         options: {words_min: 5}
"""
from wiremill_stage import Option, Stage


class Numbered(Stage):
    id = "org.example.numbered"
    version = "1.0.0"
    summary = "Numbers the documents of each source and counts their words."
    required = ["text"]
    provided = ["extensions.org.example.numbered"]
    option_table = [Option("words_min", int, 1, "Shorter texts are dropped.", minimum=0, maximum=1e6)]

    def process(self, document, output):
        words = len(document.text.split())
        if words < self.options["words_min"]:
            return output.drop("TOO_SHORT", f"{words} words")
        output.carry(b"%d" % words)

    def settle(self, document, output, state):
        source = document.source.encode()
        number = int(state.get(source) or 0) + 1
        state.put(source, b"%d" % number)
        output.extension({"number": number, "words": int(document.carry)})


if __name__ == "__main__":
    Numbered.main()
