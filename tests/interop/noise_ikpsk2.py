#!/usr/bin/python3
"""WireGuard's handshake, written a second time and independently of the engine, to check it byte by byte.

Over `cryptography` and hashlib; follows the WireGuard paper, sections 5.4.1 to 5.4.7. Reads one JSON object on stdin, writes one on
stdout. Bytes are lowercase hex; indices are numbers. Exit 0; or exit 1 with {"error": "..."} when a message does not
authenticate or the input is wrong.

"role": "both"        the whole handshake
    in   initiator_static_private, initiator_ephemeral_private, responder_static_private, responder_ephemeral_private (32 bytes each),
         initiator_index, responder_index, timestamp (12 bytes); optional: preshared_key (32), initiator_cookie, responder_cookie (16)
    out  initiation (148), response (92), hash, chaining_key (32: after the response),
         initiator_sending_key, initiator_receiving_key (32)

"role": "initiator"   the first message; with `response`, also the end
    in   static_private, ephemeral_private, peer_public, local_index, timestamp; optional: preshared_key, cookie, response (92)
    out  initiation; with response: remote_index, hash, chaining_key, sending_key, receiving_key

"role": "responder"   takes an initiation and answers it
    in   static_private, ephemeral_private, local_index, initiation (148); optional: preshared_key, cookie
    out  response, peer_public, timestamp, remote_index, hash, chaining_key, sending_key, receiving_key

"role": "cookie_reply"   what a responder under load answers to `message`
    in   static_public (of the one that answers), message (148 or 92), nonce (24), secret (32),
         source_ip (as text), source_port
    out  cookie (16), reply (64)

"role": "open_cookie_reply"   the sender of `message` reads the cookie
    in   peer_public, message, reply (64)
    out  cookie, receiver_index

noise_self_check.py runs every role against the others and known vectors.
"""

import hashlib
import hmac
import ipaddress
import json
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"


class Refused(Exception):
    """A message does not authenticate, or the input cannot be."""


# --- Primitives (section 5.4) ---


def digest(data):
    return hashlib.blake2s(data).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(count, key, data):
    def hmac_blake2s(k, text):
        return hmac.new(k, text, hashlib.blake2s).digest()

    extracted = hmac_blake2s(key, data)
    outputs = []
    previous = b""
    for number in range(1, count + 1):
        previous = hmac_blake2s(extracted, previous + bytes([number]))
        outputs.append(previous)
    return outputs


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, public):
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise Refused("a low-order point") from error


def open_sealed(key, nonce, sealed, aad):
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, aad)
    except InvalidTag as error:
        raise Refused("the tag is wrong") from error


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def quarter_round(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            mixed = state[z] ^ state[x]
            state[z] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter_round(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            quarter_round(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def xseal(key, nonce, plaintext, aad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plaintext, aad)


def xopen(key, nonce, sealed, aad):
    return open_sealed(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], sealed, aad)


# --- The Noise part (sections 5.4.2 and 5.4.3) ---


class SymmetricState:
    """The chaining key and the hash; nonces are 0, as each key seals one message."""

    def __init__(self, construction, prologue):
        self.chaining_key = digest(construction)
        self.hash = digest(self.chaining_key + prologue)

    def mix_hash(self, data):
        self.hash = digest(self.hash + data)

    def mix_ephemeral(self, public):
        self.mix_hash(public)
        (self.chaining_key,) = kdf(1, self.chaining_key, public)

    def mix_key(self, secret):
        self.chaining_key, self.key = kdf(2, self.chaining_key, secret)

    def mix_preshared_key(self, preshared_key):
        self.chaining_key, mixed, self.key = kdf(3, self.chaining_key, preshared_key)
        self.mix_hash(mixed)

    def seal(self, plaintext):
        sealed = ChaCha20Poly1305(self.key).encrypt(bytes(12), plaintext, self.hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plaintext = open_sealed(self.key, bytes(12), sealed, self.hash)
        self.mix_hash(sealed)
        return plaintext

    def split(self):
        """The initiator's sending key and its receiving key."""
        return kdf(2, self.chaining_key, b"")


class Initiator:
    def __init__(self, static, ephemeral, peer, preshared_key, construction=CONSTRUCTION, prologue=IDENTIFIER):
        self.static, self.ephemeral, self.peer, self.preshared_key = static, ephemeral, peer, preshared_key
        self.state = SymmetricState(construction, prologue)
        self.state.mix_hash(peer)

    def write(self, payload):
        """-> e, es, s, ss, {payload}: the three parts."""
        public = public_of(self.ephemeral)
        self.state.mix_ephemeral(public)
        self.state.mix_key(dh(self.ephemeral, self.peer))
        sealed_static = self.state.seal(public_of(self.static))
        self.state.mix_key(dh(self.static, self.peer))
        return public, sealed_static, self.state.seal(payload)

    def read(self, ephemeral, sealed):
        """<- e, ee, se, psk, {payload}."""
        self.state.mix_ephemeral(ephemeral)
        self.state.mix_key(dh(self.ephemeral, ephemeral))
        self.state.mix_key(dh(self.static, ephemeral))
        self.state.mix_preshared_key(self.preshared_key)
        return self.state.open(sealed)


class Responder:
    def __init__(self, static, ephemeral, preshared_key, construction=CONSTRUCTION, prologue=IDENTIFIER):
        self.static, self.ephemeral, self.preshared_key = static, ephemeral, preshared_key
        self.state = SymmetricState(construction, prologue)
        self.state.mix_hash(public_of(static))

    def read(self, ephemeral, sealed_static, sealed):
        self.peer_ephemeral = ephemeral
        self.state.mix_ephemeral(ephemeral)
        self.state.mix_key(dh(self.static, ephemeral))
        self.peer = self.state.open(sealed_static)
        self.state.mix_key(dh(self.static, self.peer))
        return self.state.open(sealed)

    def write(self, payload):
        public = public_of(self.ephemeral)
        self.state.mix_ephemeral(public)
        self.state.mix_key(dh(self.ephemeral, self.peer_ephemeral))
        self.state.mix_key(dh(self.ephemeral, self.peer))
        self.state.mix_preshared_key(self.preshared_key)
        return public, self.state.seal(payload)


# --- WireGuard's messages (sections 5.4.2 to 5.4.4, 5.4.7) ---


def add_macs(body, receiver_public, cookie):
    message = body + mac(digest(b"mac1----" + receiver_public), body)
    return message + (mac(cookie, message) if cookie else bytes(16))


def check_mac1(message, own_public):
    if mac(digest(b"mac1----" + own_public), message[:-32]) != message[-32:-16]:
        raise Refused("mac1 is wrong")


def make_initiation(initiator, local_index, timestamp, cookie):
    ephemeral, static, sealed = initiator.write(timestamp)
    return add_macs(struct.pack("<II", 1, local_index) + ephemeral + static + sealed, initiator.peer, cookie)


def take_initiation(responder, message):
    if len(message) != 148 or message[:4] != b"\1\0\0\0":
        raise Refused("not an initiation")
    check_mac1(message, public_of(responder.static))
    timestamp = responder.read(message[8:40], message[40:88], message[88:116])
    return struct.unpack_from("<I", message, 4)[0], timestamp


def make_response(responder, local_index, remote_index, cookie):
    ephemeral, sealed = responder.write(b"")
    return add_macs(struct.pack("<III", 2, local_index, remote_index) + ephemeral + sealed, responder.peer, cookie)


def take_response(initiator, message, local_index):
    if len(message) != 92 or message[:4] != b"\2\0\0\0":
        raise Refused("not a response")
    check_mac1(message, public_of(initiator.static))
    remote_index, receiver_index = struct.unpack_from("<II", message, 4)
    if receiver_index != local_index:
        raise Refused("the response is for another handshake")
    initiator.read(message[12:44], message[44:60])
    return remote_index


def make_cookie(secret, source_ip, source_port):
    return mac(secret, ipaddress.ip_address(source_ip).packed + struct.pack(">H", source_port))


def make_cookie_reply(static_public, message, nonce, cookie):
    sealed = xseal(digest(b"cookie--" + static_public), nonce, cookie, message[-32:-16])
    return b"\3\0\0\0" + message[4:8] + nonce + sealed


def take_cookie_reply(peer_public, message, reply):
    if len(reply) != 64 or reply[:4] != b"\3\0\0\0":
        raise Refused("not a cookie reply")
    return xopen(digest(b"cookie--" + peer_public), reply[8:32], reply[32:], message[-32:-16])


# --- The JSON interface ---


class Input:
    def __init__(self, fields):
        self.fields = fields

    def number(self, name):
        value = self.fields.get(name)
        if not isinstance(value, int) or not 0 <= value < 1 << 32:
            raise Refused(f"{name}: not a number of 32 bits")
        return value

    def bytes(self, name, *sizes):
        try:
            value = bytes.fromhex(self.fields[name])
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"{name}: missing or not hex") from error
        if len(value) not in sizes:
            raise Refused(f"{name}: {len(value)} bytes")
        return value

    def optional_bytes(self, name, size, default=None):
        return self.bytes(name, size) if name in self.fields else default


def end_of(state, sending_first):
    first, second = state.split()
    if not sending_first:
        first, second = second, first
    return {"hash": state.hash, "chaining_key": state.chaining_key, "sending_key": first, "receiving_key": second}


def run_both(given):
    static = given.bytes("initiator_static_private", 32)
    responder_static = given.bytes("responder_static_private", 32)
    preshared_key = given.optional_bytes("preshared_key", 32, bytes(32))
    local, remote = given.number("initiator_index"), given.number("responder_index")
    initiator = Initiator(static, given.bytes("initiator_ephemeral_private", 32), public_of(responder_static), preshared_key)
    responder = Responder(responder_static, given.bytes("responder_ephemeral_private", 32), preshared_key)

    initiation = make_initiation(
        initiator, local, given.bytes("timestamp", 12), given.optional_bytes("initiator_cookie", 16)
    )
    sender, _ = take_initiation(responder, initiation)
    response = make_response(responder, remote, sender, given.optional_bytes("responder_cookie", 16))
    take_response(initiator, response, local)
    ours, theirs = end_of(initiator.state, True), end_of(responder.state, False)
    if ours["sending_key"] != theirs["receiving_key"] or ours["hash"] != theirs["hash"]:
        raise Refused("the two roles disagree")
    return {
        "initiation": initiation,
        "response": response,
        "hash": ours["hash"],
        "chaining_key": ours["chaining_key"],
        "initiator_sending_key": ours["sending_key"],
        "initiator_receiving_key": ours["receiving_key"],
    }


def run_initiator(given):
    initiator = Initiator(
        given.bytes("static_private", 32),
        given.bytes("ephemeral_private", 32),
        given.bytes("peer_public", 32),
        given.optional_bytes("preshared_key", 32, bytes(32)),
    )
    local = given.number("local_index")
    cookie = given.optional_bytes("cookie", 16)
    result = {"initiation": make_initiation(initiator, local, given.bytes("timestamp", 12), cookie)}
    if "response" in given.fields:
        result["remote_index"] = take_response(initiator, given.bytes("response", 92), local)
        result.update(end_of(initiator.state, True))
    return result


def run_responder(given):
    responder = Responder(
        given.bytes("static_private", 32),
        given.bytes("ephemeral_private", 32),
        given.optional_bytes("preshared_key", 32, bytes(32)),
    )
    remote, timestamp = take_initiation(responder, given.bytes("initiation", 148))
    response = make_response(responder, given.number("local_index"), remote, given.optional_bytes("cookie", 16))
    result = {"response": response, "peer_public": responder.peer, "timestamp": timestamp, "remote_index": remote}
    result.update(end_of(responder.state, False))
    return result


def run_cookie_reply(given):
    cookie = make_cookie(given.bytes("secret", 32), given.fields.get("source_ip"), given.number("source_port"))
    message = given.bytes("message", 148, 92)
    reply = make_cookie_reply(given.bytes("static_public", 32), message, given.bytes("nonce", 24), cookie)
    return {"cookie": cookie, "reply": reply}


def run_open_cookie_reply(given):
    reply = given.bytes("reply", 64)
    cookie = take_cookie_reply(given.bytes("peer_public", 32), given.bytes("message", 148, 92), reply)
    return {"cookie": cookie, "receiver_index": struct.unpack_from("<I", reply, 4)[0]}


ROLES = {
    "both": run_both,
    "initiator": run_initiator,
    "responder": run_responder,
    "cookie_reply": run_cookie_reply,
    "open_cookie_reply": run_open_cookie_reply,
}


def run(fields):
    role = ROLES.get(fields.get("role"))
    if role is None:
        raise Refused("role: one of " + ", ".join(ROLES))
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in role(Input(fields)).items()}


def main():
    try:
        print(json.dumps(run(json.load(sys.stdin))))
    except (Refused, ValueError) as error:
        print(json.dumps({"error": str(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
