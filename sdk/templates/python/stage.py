"""The stage new_stage: counts the words of a text. What it says of itself stands at the head of the
class, what it does in process(); wiremill_stage.py explains the rest.
"""
from wiremill_stage import Option, Stage

WORD = 0  # of StageDocument.Token.Kind


class NewStage(Stage):
    id = "org.example.new_stage"
    version = "0.1.0"
    summary = "Counts the words of a text."
    required = ["tokens"]
    provided = ["extensions.org.example.new_stage"]
    option_table = [Option("words_min", int, 1, "Texts of fewer words are left alone.", 0, 1e6)]

    def process(self, document, output):
        words = sum(token.kind == WORD for token in document.tokens)
        if words < self.options["words_min"]:
            return output.skip()
        output.extension({"words": words})


if __name__ == "__main__":
    NewStage.main()
