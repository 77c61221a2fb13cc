#!/usr/bin/python3
"""Runs every role of noise_ikpsk2.py against the others and known vectors; exit 0 when all agree."""

from noise_ikpsk2 import CONSTRUCTION, IDENTIFIER, Refused, SymmetricState, digest, hchacha20, public_of, run, xseal


def refuses(fields):
    try:
        run(fields)
    except Refused:
        return True
    return False


def flipped(text, bit):
    changed = bytearray.fromhex(text)
    changed[bit // 8] ^= 1 << bit % 8
    return changed.hex()


def check_primitives():
    # draft-irtf-cfrg-xchacha-03, section 2.2.1 and the tag of appendix A.3.1.
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    assert hchacha20(bytes(range(32)), nonce).hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    sealed = xseal(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)), text, bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
    # The first hashes, which every WireGuard computes at start (kernel noise.c: handshake_init_hash).
    state = SymmetricState(CONSTRUCTION, IDENTIFIER)
    assert state.chaining_key.hex().startswith("60e26daef327efc0")
    assert state.hash.hex().startswith("2211b361081ac566")


def check_roles():
    keys = {name: digest(name.encode()).hex() for name in ("is", "ie", "rs", "re", "psk", "secret")}
    public = {name: public_of(bytes.fromhex(keys[name])).hex() for name in ("is", "rs")}
    timestamp = "400000006553f10000000000"
    for preshared in ({}, {"preshared_key": keys["psk"]}):
        for cookies in ({}, {"cookie": "00112233445566778899aabbccddeeff"}):
            both = run(
                {
                    "role": "both",
                    "initiator_static_private": keys["is"],
                    "initiator_ephemeral_private": keys["ie"],
                    "responder_static_private": keys["rs"],
                    "responder_ephemeral_private": keys["re"],
                    "initiator_index": 0x11223344,
                    "responder_index": 0xFFFFFFFF,
                    "timestamp": timestamp,
                    **preshared,
                    **{f"{side}_cookie": cookie for side in ("initiator", "responder") for cookie in cookies.values()},
                }
            )
            initiator = {
                "role": "initiator",
                "static_private": keys["is"],
                "ephemeral_private": keys["ie"],
                "peer_public": public["rs"],
                "local_index": 0x11223344,
                "timestamp": timestamp,
                **preshared,
                **cookies,
            }
            responder = {
                "role": "responder",
                "static_private": keys["rs"],
                "ephemeral_private": keys["re"],
                "local_index": 0xFFFFFFFF,
                "initiation": both["initiation"],
                **preshared,
                **cookies,
            }
            assert run(initiator) == {"initiation": both["initiation"]}
            answer = run(responder)
            assert answer["response"] == both["response"]
            assert answer["peer_public"] == public["is"] and answer["timestamp"] == timestamp
            assert answer["remote_index"] == 0x11223344
            end = run({**initiator, "response": both["response"]})
            assert end["remote_index"] == 0xFFFFFFFF
            assert end["sending_key"] == answer["receiving_key"] == both["initiator_sending_key"]
            assert end["receiving_key"] == answer["sending_key"] == both["initiator_receiving_key"]
            assert end["sending_key"] != end["receiving_key"]
            # Every bit counts: but for the sender index, mac1 covers it, and mac2 is not the handshake's.
            for bit in range(0, 116 * 8, 37):
                assert refuses({**responder, "initiation": flipped(both["initiation"], bit)}), bit
            for bit in range(0, 60 * 8, 17):
                assert refuses({**initiator, "response": flipped(both["response"], bit)}), bit
            assert refuses({**initiator, "response": both["response"], "preshared_key": keys["secret"]})


def check_cookies():
    message = bytes(range(148)).hex()
    reply = {
        "role": "cookie_reply",
        "static_public": digest(b"public").hex(),
        "message": message,
        "nonce": bytes(range(24)).hex(),
        "secret": digest(b"secret").hex(),
        "source_ip": "192.0.2.1",
        "source_port": 51820,
    }
    made = run(reply)
    opening = {"role": "open_cookie_reply", "peer_public": reply["static_public"], "message": message, "reply": made["reply"]}
    assert run(opening) == {"cookie": made["cookie"], "receiver_index": 0x07060504}
    assert run({**reply, "source_port": 51821})["cookie"] != made["cookie"]
    assert run({**reply, "source_ip": "192.0.2.2"})["cookie"] != made["cookie"]
    assert refuses({**opening, "message": flipped(message, 116 * 8)})  # another mac1
    assert refuses({**opening, "peer_public": digest(b"other").hex()})


if __name__ == "__main__":
    check_primitives()
    check_roles()
    check_cookies()
