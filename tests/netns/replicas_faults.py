#!/usr/bin/env python3
"""What several gateways answered is so, whatever happens to the store they share (replicated.py). Usage: replicas_faults.py CASE"""

import random
import sys
import threading
import time

from lab import LAB_DIR, Failure, check, equal, run, wait_until
from product import BUILD_DIR, call, random_key
from replicated import DB, World, in_step, in_threads
from servers import Elasticsearch, Mongod, MongoDb, Server


def answer_of(gateway, method, path, body):
    """The status; 0 when there is no answer."""
    try:
        return gateway.call(method, path, body)[0]
    except OSError:
        return 0


class Contenders:
    """One client after the other that all replicas delete at once, each until it is told the outcome: whoever is told, the client is gone."""

    def __init__(self, gateways, stopping):
        self._gateways, self._stopping = gateways, stopping
        self.gone = set()

    def run(self):
        while not self._stopping.is_set():
            body = {"publicKey": random_key()}
            if answer_of(self._gateways[0], "POST", "/client", body) == 200:
                in_threads(self._delete, [(gateway, body) for gateway in self._gateways])
            else:
                self._stopping.wait(0.2)

    def _delete(self, gateway, body):
        while (status := answer_of(gateway, "DELETE", "/client", body)) in (0, 503):
            if self._stopping.wait(0.2):
                return
        if status not in (200, 404):
            raise Failure(f"DELETE through two replicas: {status}")
        self.gone.add(body["publicKey"])


class Writer:
    """A stream of creations, changes and deletions through one replica, and what each client may be by the answers given."""

    def __init__(self, gateway, stopping):
        self._gateway, self._stopping = gateway, stopping
        self.may_be = {}  # public key -> the states that the answers allow: None (absent), True (enabled), False
        self.counts = {}

    def run(self):
        mine = []
        while not self._stopping.is_set():
            self._create(mine)
            if len(mine) >= 3:
                key = random.choice(mine)
                random.choice((self._disable, self._enable, self._delete))(key, mine)

    def _call(self, method, path, key):
        status = answer_of(self._gateway, method, path, {"publicKey": key})
        self.counts[status] = self.counts.get(status, 0) + 1
        if status == 503:
            self._stopping.wait(0.2)  # the answer said when to come again
        if status not in (0, 200, 204, 404, 503):
            raise Failure(f"{method} {path} while the database is away: {status}")
        return status

    def _create(self, mine):
        key = random_key()
        status = self._call("POST", "/client", key)
        self.may_be[key] = {200: {True}, 0: {None, True}}.get(status, {None})
        if status == 200:
            mine.append(key)

    def _change(self, method, path, key, state):
        status = self._call(method, path, key)
        self.may_be[key] = {state} if status in (200, 204) else {None} if status == 404 else self.may_be[key] | {state}

    def _disable(self, key, _):
        self._change("PUT", "/client/disable", key, False)

    def _enable(self, key, _):
        self._change("PUT", "/client/enable", key, True)

    def _delete(self, key, mine):
        self._change("DELETE", "/client", key, None)
        mine.remove(key)


def faults(store):
    world = World(store, WG_SUBNET="10.8.0.1/16")
    world.start("a", "b")
    stopping = threading.Event()
    writers = [Writer(gateway, stopping) for gateway in world.running()]
    contenders = Contenders(world.running(), stopping)
    threads = [threading.Thread(target=each.run) for each in (*writers, contenders)]
    for thread in threads:
        thread.start()
    begin_again = lambda member: member.start()
    ways = [("kill -9", Server.kill, begin_again, 3), ("SIGSTOP", Server.freeze, Server.thaw, 20),
            ("a restart", Server.stop, begin_again, 3), ("a network cut", Server.cut, Server.mend, 12)]
    if len(world.store.members) > 1:
        ways.append(("a cut between the members", Mongod.part, Server.mend, 12))
    for what, begin, end, seconds in ways:
        goes_away(world, writers, what, begin, end, seconds)
    all_is_well(world, writers, "the last of it")
    stopping.set()
    for thread in threads:
        thread.join()
    print("      answers:", [writer.counts for writer in writers])
    clients = in_step(world, 30)
    for writer in writers:
        for key, allowed in writer.may_be.items():
            state = clients[key][1] if key in clients else None
            if state not in allowed:
                raise Failure(f"client {key} is {state}, the answers say {allowed}")
    equal("clients that a replica said are gone", sorted(contenders.gone & set(clients)), [])
    check("two replicas deleted one client at once, again and again", len(contenders.gone) > 10, f"{len(contenders.gone)} clients")
    addresses = [address for address, _ in clients.values()]
    equal("no address twice", len(addresses), len(set(addresses)))
    check("every answer holds", len(clients) > 10, f"{sum(len(writer.may_be) for writer in writers)} clients asked for")


def all_is_well(world, writers, after):
    """The store takes writes, and every replica's writer gets on."""
    wait_until(f"the store can be written after {after}", world.store.primary, 90)
    get_on(writers, f"after {after}")
    for gateway in world.running():
        wait_until(f"a replica is well after {after}", lambda: gateway.call("GET", "/health")[0] == 200, 60)


def get_on(writers, when):
    done = [writer.counts.get(200, 0) for writer in writers]
    for writer, before in zip(writers, done):
        wait_until(f"a replica's clients get on {when}", lambda: writer.counts.get(200, 0) >= before + 20, 90)


def goes_away(world, writers, what, begin, end, seconds):
    all_is_well(world, writers, f"what was before {what}")
    member, began = world.store.primary(), time.monotonic()
    peers = [len(gateway.peers()) for gateway in world.running()]
    begin(member)
    if len(world.store.members) > 1:
        # Another member takes over.
        wait_until(f"there is another primary during {what}", lambda: world.store.primary() not in (None, member), 60)
        get_on(writers, f"with another primary during {what}")
    for gateway, before in zip(world.running(), peers):
        if len(world.store.members) == 1:
            wait_until(f"/health tells of {what}", lambda gateway=gateway: gateway.call("GET", "/health")[0] == 503, 30)
        check(f"tunnels go on during {what}", len(gateway.peers()) > before / 2, f"{len(gateway.peers())} peers")
        equal("reads are answered", gateway.call("GET", "/clients")[0], 200)
    time.sleep(max(0, began + seconds - time.monotonic()))  # how long it is to be away
    end(member)


def away_at_start(store):
    """No store: the API listens, says why, answers nothing wrongly; serves when the store is there, by itself."""
    world = World(store)
    world.store.members[0].cut()
    gateway = world.gateways["a"]
    gateway.process = gateway.node.spawn([BUILD_DIR / "vpn-enabler", "serve"], gateway.settings)

    def answers():
        try:
            return gateway.call("GET", "/health")
        except OSError:
            return None
    equal("/health without the store", wait_until("the API listens", answers, 10)[0], 503)
    setting = "MONGODB_HOST" if "MONGODB_HOST" in gateway.settings else "LTSE_URL"
    where = gateway.settings[setting].split("//")[1].split("/")[0]
    wait_until("/health tells which store is away", lambda: where in answers()[1].get("message", ""), 20)
    for method, path, body in (("GET", "/clients", None), ("POST", "/client", {"publicKey": random_key()}),
                               ("DELETE", "/client", {"publicKey": random_key()})):
        equal(f"{method} {path} without the store", gateway.call(method, path, body)[0], 503)
    world.store.members[0].mend()
    wait_until("the gateway serves once the store is there", lambda: gateway.call("GET", "/health")[0] == 200, 20)
    call(gateway, "POST", "/client", 200, {"publicKey": random_key()})

    world.store.members[0].cut()
    wait_until("/health tells that the store is away again, though nobody asks for clients", lambda: answers()[0] == 503, 60)
    world.store.members[0].mend()
    wait_until("all is well again by itself", lambda: answers()[0] == 200, 30)
    call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    said = [line for line in gateway.process.log.read_text().splitlines() if " warning " in line and where in line]
    equal("lines in the log that say so, of two times", len(said), 2)


class PendingCreation:
    """A creation under way, and what its caller hears. Of two with one key, the one that comes second is refused without the store."""

    def __init__(self, gateway):
        self._answers = []
        body = {"publicKey": random_key()}
        self._threads = [threading.Thread(target=self._ask, args=(gateway, body)) for _ in range(2)]
        for thread in self._threads:
            thread.start()
        wait_until("the creation is under way", lambda: [answer[0] for answer in self._answers] == [409], 10)

    def _ask(self, gateway, body):
        self._answers.append(gateway.call("POST", "/client", body, with_headers=True))

    def wait(self):
        for thread in self._threads:
            thread.join(10)
        return self._answers[1]


def stops_in_time(store):
    """SIGTERM ends the gateway within 2 s whatever the store does, its callers are answered, and nothing is left behind."""
    world = World(store)
    gateway, [member] = world.gateways["a"], world.store.members
    for what, begin, end in (("nobody there", lambda: None, lambda: None), ("a frozen store", member.freeze, member.thaw),
                             ("a network cut", member.cut, member.mend)):
        world.start("a")
        call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
        begin()
        pending = PendingCreation(gateway) if what != "nobody there" else None
        print(f"      with {what}:")
        gateway.stop()
        if pending:
            status, answer, headers = pending.wait()
            equal("the creation under way is answered", (status, "is not known" in answer["message"]), (503, True))
            check("and told when to come again", "Retry-After" in headers)
        equal("no interface is left", gateway.node.run("ip -o link show wg0", ok=False).returncode, 1)
        equal("no rule is left", gateway.node.run("nft list ruleset"), "")
        end()
        wait_until("the store can be written again", world.store.primary, 60)


def no_password(store):
    """With LOG_LEVEL=debug no password of the store is told, whatever becomes of the store."""
    world = World(store, LOG_LEVEL="debug")
    gateway, [member] = world.gateways["a"], world.store.members
    password, wrong = (random.randbytes(12).hex() for _ in range(2))
    settings = world.store.settings_with(password)
    if "MONGODB_HOST" in settings:
        refused = gateway.node.run([BUILD_DIR / "vpn-enabler", "serve"], {**gateway.settings, "MONGODB_USER": "vpn", "MONGODB_PASS": wrong},
                                   ok=False)
        equal("a wrong password ends with exit code 2", refused.returncode, 2)
        check("and names the setting", "MONGODB_PASS" in refused.stdout + refused.stderr)
        told = refused.stdout + refused.stderr
    else:
        told = ""
    gateway.settings.update(settings)
    world.start("a")
    call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    member.cut()
    told += str(gateway.call("POST", "/client", {"publicKey": random_key()}))
    told += str(wait_until("/health tells that the store is away",
                           lambda: (lambda health: health[0] == 503 and health)(gateway.call("GET", "/health")), 30))
    member.mend()
    wait_until("all is well again", lambda: gateway.call("GET", "/health")[0] == 200, 30)
    gateway.stop()
    told += gateway.process.log.read_text()
    check("it did tell, also that the store was away", "works again" in told, f"{len(told)} characters")
    for name, value in {"the password": password, "a wrong password": wrong}.items():
        equal(f"{name} is told nowhere", value in told, False)


def name_server_hangs():
    """A name server that does not answer: the API tells, no request waits for long, a stop does not wait at all."""
    world = World(lambda node: Elasticsearch(node, DB))
    gateway, store = world.gateways["a"], world.store
    world.db.run("nft -f -", stdin="table inet silent { chain in { type filter hook input priority 0; udp dport 53 drop; }; }")
    for name, text in (("resolv.conf", f"nameserver {DB}\n"), ("hosts", "")):
        (LAB_DIR / name).write_text(text)
        gateway.node.run(f"mount --bind {LAB_DIR / name} /etc/{name}")
    gateway.settings["LTSE_URL"] = "http://ltse.test:8080"

    def says_why():
        try:
            return "no name server answers in time" in gateway.call("GET", "/health")[1].get("message", "")
        except OSError:
            return False
    gateway.process = gateway.node.spawn([BUILD_DIR / "vpn-enabler", "serve"], gateway.settings)
    wait_until("/health tells that the name server hangs", says_why, 20)
    gateway.stop()

    (LAB_DIR / "hosts").write_text(f"{DB} ltse.test\n")
    gateway.start()
    (LAB_DIR / "hosts").write_text("")
    store.close_connections()
    begun = time.monotonic()
    equal("a creation while no name is found", gateway.call("POST", "/client", {"publicKey": random_key()})[0], 503)
    check("it is answered in time", time.monotonic() - begun < 6, f"{time.monotonic() - begun:.2f} s")
    gateway.stop()


CASES = {
    "mongodb_faults": lambda: faults(lambda node: MongoDb(node, DB, members=0)),
    "mongodb_set_faults": lambda: faults(lambda node: MongoDb(node, DB, members=3)),
    "ltse_faults": lambda: faults(lambda node: Elasticsearch(node, DB)),
    "mongodb_away": lambda: away_at_start(lambda node: MongoDb(node, DB, members=0)),
    "mongodb_set_away": lambda: away_at_start(lambda node: MongoDb(node, DB, members=1)),
    "mongodb_password": lambda: no_password(lambda node: MongoDb(node, DB, members=0)),
    "ltse_password": lambda: no_password(lambda node: Elasticsearch(node, DB)),
    "names": name_server_hangs,
    "mongodb_stop": lambda: stops_in_time(lambda node: MongoDb(node, DB, members=0)),
    "mongodb_set_stop": lambda: stops_in_time(lambda node: MongoDb(node, DB, members=1)),
    "ltse_stop": lambda: stops_in_time(lambda node: Elasticsearch(node, DB)),
    "ltse_away": lambda: away_at_start(lambda node: Elasticsearch(node, DB)),
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(f"usage: {sys.argv[0]} {'|'.join(CASES)}")
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
