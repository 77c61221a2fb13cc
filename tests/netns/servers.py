"""The database servers of the lab: real ones, each on a node, that can be killed, frozen and cut off."""

import json
import signal
import sys

from lab import LAB_DIR, Failure, wait_until
from product import SOURCE_DIR

MONGOD = SOURCE_DIR / "build/servers/mongod/bin/mongod"
ELASTICSEARCH = SOURCE_DIR / "build/servers/elasticsearch"
LTSE_GATEWAY = SOURCE_DIR / "tests/servers/ltse_gateway.py"
PYTHON = "/usr/bin/python3"  # Debian's, which has pymongo


class Server:
    """A process on a node that listens on a TCP port, and what can happen to it."""

    def __init__(self, node, port):
        self.node, self.port = node, port
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        self.process = self.node.spawn(self.command())

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def cut(self):
        """Nothing reaches it any more, and nobody is told."""
        self.node.run("nft -f -", stdin=f"table inet cut{self.port} {{ chain in {{ type filter hook input priority 0;"
                                        f" tcp dport {self.port} drop; }}; chain out {{ type filter hook output priority 0;"
                                        f" tcp sport {self.port} drop; }}; }}")

    def mend(self):
        self.node.run(f"nft delete table inet cut{self.port}")


class Mongod(Server):
    def __init__(self, node, address, port, replica_set, directory):
        super().__init__(node, port)
        self.name = f"{address}:{port}"
        self._address, self._set = address, replica_set
        self._data = directory / f"mongod-{port}"

    def part(self):
        """The set's other members and it do not hear each other any more; everybody else hears all of them."""
        self.node.run("nft -f -", stdin=f"table inet cut{self.port} {{ chain in {{ type filter hook input priority 0;"
                                        f" ip saddr {self._address} tcp dport {self.port} drop;"
                                        f" ip saddr {self._address} tcp sport {self.port} drop; }}; }}")

    def command(self):
        self._data.mkdir(exist_ok=True)
        return [MONGOD, "--dbpath", self._data, "--port", self.port, "--bind_ip", f"127.0.0.1,{self._address}", "--nounixsocket",
                "--wiredTigerCacheSizeGB", "0.25", *(["--replSet", self._set] if self._set else [])]


class MongoDb:
    """A standalone mongod (`members` 0), or a replica set of so many; its data lie in the directory."""

    def __init__(self, node, address, members=1, directory=LAB_DIR):
        self.node = node
        self._set = "rs0" if members else None
        self.members = [Mongod(node, address, 27017 + i, self._set, directory) for i in range(members or 1)]
        hosts = ",".join(member.name for member in self.members)
        self.uri = f"mongodb://{hosts}/" + (f"?replicaSet={self._set}" if self._set else "")
        self.settings = {"MONGODB_HOST": self.uri}

    def start(self):
        for member in self.members:
            member.start()
        for member in self.members:
            wait_until(f"mongod {member.name} answers", lambda name=member.name: self._answers(name), 60)
        if self._set:
            config = {"_id": self._set, "members": [{"_id": i, "host": member.name} for i, member in enumerate(self.members)],
                      "settings": {"electionTimeoutMillis": 2000}}
            self._python(f"pymongo.MongoClient('mongodb://{self.members[0].name}/?directConnection=true')"
                         f".admin.command('replSetInitiate', {config!r})")
        wait_until("MongoDB can be written", self.primary, 60)

    def primary(self):
        """The member that takes writes; None when there is none."""
        for member in self.members:
            hello = self._hello(member.name)
            if hello and hello.get("ismaster"):
                return member
        return None

    def add_user(self, name, password):
        """A user who may do everything, and is asked for the password wherever it names itself."""
        self._python(f"pymongo.MongoClient({self.uri!r}).admin.command('createUser', {name!r}, pwd={password!r}, roles=['root'])")

    def settings_with(self, password):
        """Settings of a user with that password, who may do everything."""
        self.add_user("vpn", password)
        return {"MONGODB_HOST": self.uri.replace("://", f"://vpn:{password}@")}

    def peers(self):
        """The clients of the collection, by public key: (address as a number, enabled).

        The trace of an insertion that was taken back is none (docs/stores.md)."""
        found = self._python(f"print(json.dumps([[d['clientPublicKey'], d['clientIP'], d['enabled']] for d in"
                             f" pymongo.MongoClient({self.uri!r}).wireguard.peers.find({{'takenBack': {{'$exists': False}}}})]))")
        rows = json.loads(found)
        result = {key: (int(address), enabled) for key, address, enabled in rows}
        if len(result) != len(rows):
            raise Failure("a public key stands in two documents")
        return result

    def _hello(self, name):
        done = self.node.run([PYTHON, "-c", "import json, pymongo; print(json.dumps(pymongo.MongoClient("
                              f"'mongodb://{name}/?directConnection=true', serverSelectionTimeoutMS=1000).admin.command("
                              "'isMaster')['ismaster']))"], ok=False)
        return {"ismaster": json.loads(done.stdout)} if done.returncode == 0 else None

    def _answers(self, name):
        return self._hello(name) is not None

    def _python(self, code):
        return self.node.run([PYTHON, "-c", f"import json, pymongo; {code}"], seconds=60)


class Elasticsearch(Server):
    """Elasticsearch, and in front of it what the LTSE's gateway does to its paths: /nosql/api away."""

    def __init__(self, node, address, directory=LAB_DIR):
        super().__init__(node, 8080)
        self._address = address
        self._home = directory / "elasticsearch"
        self._gateway = None
        self.settings = {"LTSE": "true", "LTSE_URL": f"http://{address}:8080"}
        self.members = [self]

    def primary(self):
        return self

    def settings_with(self, password):
        """Settings that name a user with that password; nobody looks at it."""
        return {"LTSE_URL": self.settings["LTSE_URL"].replace("://", f"://vpn:{password}@")}

    def command(self):
        (self._home / "config").mkdir(parents=True, exist_ok=True)
        return ["java", "-Xmx512m", "--add-opens", "java.base/java.io=ALL-UNNAMED", "-Dlog4j2.disable.jmx=true", "-cp",
                f"{ELASTICSEARCH}:{ELASTICSEARCH}/lib/*", "Server", self._home,
                self._home / "http.port"]

    def start(self):
        port = self._home / "http.port"
        port.unlink(missing_ok=True)
        super().start()
        wait_until("Elasticsearch listens", lambda: self.process.poll() is not None or port.exists() and port.read_text(), 90)
        self._start_gateway()

    def _start_gateway(self):
        if self._gateway is not None:
            self._gateway.kill()
            self._gateway.wait(10)
        port = (self._home / "http.port").read_text().strip()
        self._gateway = self.node.spawn([sys.executable, LTSE_GATEWAY, self._address, 8080, port])
        wait_until("the LTSE's gateway listens", lambda: self.node.run("ss -Hltn sport = 8080"), 10)

    def close_connections(self):
        """Who is connected must connect anew."""
        self._start_gateway()

    def peers(self):
        """The clients of the index, by public key: (address as a number, enabled)."""
        base = f"http://{self._address}:8080/nosql/api/vpn-enabler"
        self.node.run(["curl", "-sS", "-XPOST", f"{base}/_refresh"])
        found, after = {}, None
        while True:
            query = {"size": 1000, "sort": [{"clientIP": "asc"}], **({"search_after": after} if after else {})}
            answer = json.loads(self.node.run(["curl", "-sS", "-H", "Content-Type: application/json", f"{base}/_search", "-d",
                                               json.dumps(query)]))
            hits = answer["hits"]["hits"]
            if not hits:
                return found
            for hit in hits:
                source = hit["_source"]
                if source["clientPublicKey"] in found:
                    raise Failure("a public key stands in two documents")
                found[source["clientPublicKey"]] = (source["clientIP"], source["enabled"])
            after = hits[-1]["sort"]
