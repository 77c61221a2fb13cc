#!/usr/bin/env python3
"""The tables of bench/run, from figures that are made up here."""

import unittest

import report
from report import OURS, OURS_TO_THEIRS, PING, TCP, THEIRS_TO_OURS, WIREGUARD_GO, Figures, Row, at_least, at_most


def figures(**samples):
    result = Figures()
    for column, values in samples.items():
        for value in values:
            result.add("speed", column, value)
    return result


class Judgement(unittest.TestCase):
    def test_is_the_ratio_of_the_medians(self):
        row = Row("speed", at_least(2.5, "theirs"))
        self.assertEqual(report.judgement(figures(ours=[9, 6, 100], theirs=[3, 1, 4]), row, "ours"), (3, True))
        self.assertEqual(report.judgement(figures(ours=[6], theirs=[3]), row, "ours"), (2, False))

    def test_without_another_column_is_the_value(self):
        row = Row("speed", at_most(16), max)
        self.assertEqual(report.judgement(figures(ours=[14, 17]), row, "ours"), (17, False))
        self.assertEqual(report.judgement(figures(ours=[14, 16]), row, "ours"), (16, True))

    def test_of_a_missing_figure_is_none(self):
        row = Row("speed", at_least(1, "theirs"))
        self.assertIsNone(report.judgement(figures(ours=[1]), row, "ours"))
        self.assertIsNone(report.judgement(figures(theirs=[1]), row, "ours"))
        self.assertIsNone(report.judgement(figures(ours=[1], theirs=[0]), row, "ours"))


    def test_of_a_run_names_what_was_measured(self):
        measured = Figures()
        measured.add(TCP, OURS, 5)
        measured.add(TCP, WIREGUARD_GO, 2)
        measured.add(PING, OURS, 0.1)
        self.assertEqual(list(report.judgements(measured)), [
            {"figure": TCP, "column": OURS, "value": 5, "in terms of the aim": 2.5, "aim": ">= 2.5 x wireguard-go", "reached": True}])


class Number(unittest.TestCase):
    def test_has_three_digits_or_is_whole(self):
        self.assertEqual([report.number(value) for value in (None, 0, 0.08449, 2.5, 16, 99.96, 8123.4, 123456)],
                         ["-", "0", "0.0845", "2.5", "16", "100", "8,123", "123,456"])


class Page(unittest.TestCase):
    def test_has_the_columns_and_rows_that_were_measured(self):
        measured = Figures()
        for column, value in {OURS: 8, WIREGUARD_GO: 2, OURS_TO_THEIRS: 3, THEIRS_TO_OURS: 1.8}.items():
            measured.add(TCP, column, value)
        measured.add(PING, OURS, 0.1)
        self.assertEqual(report.page(measured, ["Machine: mine."]), """Machine: mine.

| Both ends the same daemon | vpn-engine | wireguard-go | to reach | got |
| --- | --- | --- | --- | --- |
| TCP, one stream (Gb/s) | 8 | 2 | >= 2.5 x wireguard-go | 4, reached |
| ping through the idle tunnel (ms) | 0.1 | - | <= 0.9 x boringtun | - |

| The client one daemon, the server another | wireguard-go | vpn-engine to wireguard-go | wireguard-go to vpn-engine | to reach | got |
| --- | --- | --- | --- | --- | --- |
| TCP, one stream (Gb/s) | 2 | 3 | 1.8 | >= 1 x wireguard-go | 1.5, reached / 0.9, not reached |
""")

    def test_takes_the_place_of_the_one_before(self):
        document = f"Text.\n{report.BEGIN}old\n{report.END}More.\n"
        self.assertEqual(report.with_page(document, "new\n"), f"Text.\n{report.BEGIN}new\n{report.END}More.\n")
        with self.assertRaises(ValueError):
            report.with_page("Text.\n", "new\n")


if __name__ == "__main__":
    unittest.main()
