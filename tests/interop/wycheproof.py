#!/usr/bin/env python3
"""Our cryptography against the vectors of Project Wycheproof, which were made to break implementations. Usage: wycheproof.py CRYPTO_ANSWERS

X25519 as it is, and XChaCha20-Poly1305 (cookies). ChaCha20-Poly1305 is asked for what XChaCha20-Poly1305 makes of each of its cases: the
sub-key, and a nonce of four zero bytes and eight others, which is the only form that WireGuard has and that our functions take.
"""

import json
import pathlib
import struct
import subprocess
import sys

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "build/wycheproof"
NONCE_BYTES = 24


def hchacha20(key, nonce):
    """The sub-key of a key and 16 bytes of nonce (draft-irtf-cfrg-xchacha-03, section 2.2)."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def quarter_round(a, b, c, d):
        for target, source, mixed, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[target] = (state[target] + state[source]) & 0xFFFFFFFF
            state[mixed] ^= state[target]
            state[mixed] = (state[mixed] << bits | state[mixed] >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter_round(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter_round(column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return struct.pack("<8I", *state[:4], *state[12:])


def tests_of(name, wanted=lambda group: True):
    groups = json.loads((VECTORS / name).read_text(encoding="utf-8"))["testGroups"]
    return [test for group in groups if wanted(group) for test in group["tests"]]


def x25519_questions():
    for test in tests_of("x25519_test.json"):
        # A secret of zeros is what we must refuse, whatever else the case is about.
        expected = test["shared"] if int(test["shared"], 16) else "refused"
        yield f"X25519 {test['tcId']}", f"x25519 {test['private']} {test['public']}", expected


def aead_questions():
    for test in tests_of("xchacha20_poly1305_test.json", lambda group: group["ivSize"] == 8 * NONCE_BYTES):
        key, nonce = bytes.fromhex(test["key"]), bytes.fromhex(test["iv"])
        aad, plaintext, sealed = test["aad"] or "-", test["msg"] or "-", test["ct"] + test["tag"]
        valid = test["result"] == "valid"
        inner = f"{hchacha20(key, nonce[:16]).hex()} {nonce[16:].hex()}"
        forms = [("x{}", f"{test['key']} {test['iv']}"), ("{}", inner)] + ([("{}_packet", inner)] if aad == "-" else [])
        for form, how in forms:
            what = f"AEAD {test['tcId']}"
            yield what, f"{form.format('open')} {how} {aad} {sealed}", test["msg"] if valid else "refused"
            if valid:
                yield what, f"{form.format('seal')} {how} {aad} {plaintext}", sealed


def main():
    if not VECTORS.is_dir():
        sys.exit(f"there is no {VECTORS}: tests/interop/wycheproof.sh fetches it")
    questions = [*x25519_questions(), *aead_questions()]
    asked = "".join(question + "\n" for _, question, _ in questions)
    answers = subprocess.run([sys.argv[1]], input=asked, stdout=subprocess.PIPE, check=True, text=True).stdout.split("\n")
    wrong = [f"{what}: {question}\n  expected {expected}\n  got      {answer}"
             for (what, question, expected), answer in zip(questions, answers) if answer != expected]
    print("\n".join(wrong) or f"{len(questions)} answers are right, {sum(e == 'refused' for _, _, e in questions)} of them refusals")
    return 1 if wrong or len(answers) != len(questions) + 1 else 0


if __name__ == "__main__":
    sys.exit(main())
