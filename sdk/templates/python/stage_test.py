"""The stage by itself, without a daemon."""
import unittest

from stage import NewStage
from wiremill.v1.stage_pb2 import StageDocument


def rain():
    """Sentences and tokens are the daemon's; a test says them itself."""
    document = StageDocument(id="rain", text="Rain fell.")
    document.sentences.add(begin=0, end=10)
    for begin, end, kind in ((0, 4, "WORD"), (5, 9, "WORD"), (9, 10, "PUNCTUATION")):
        document.tokens.add(begin=begin, end=end, kind=kind)
    return document


class NewStageTest(unittest.TestCase):
    def test_counts_words(self):
        answer, = NewStage.try_on([rain()])
        self.assertEqual((answer.verdict, answer.extension), ("OK", {"words": 2}))

    def test_leaves_short_texts_alone(self):
        answer, = NewStage.try_on([rain()], options={"words_min": 3})
        self.assertEqual((answer.verdict, answer.extension), ("SKIP", None))


if __name__ == "__main__":
    unittest.main()
