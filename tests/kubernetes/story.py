#!/usr/bin/env python3
"""The chart on a whole Kubernetes (cluster.py draws it): a stock client outside reaches a site host through a NodePort, with one
gateway, with three, and over the upgrade from chart 1.1.0. Usage: story.py [CASE ...], in one cluster, one after the other.
"""

import json
import pathlib
import re
import sys

import bounds
from cluster import LIMIT_S, SITE, Cluster
from images import mongo, pause

from lab import LAB_DIR, Failure, Ping, check, equal, run, wait_until
from product import BUILD_DIR, SOURCE_DIR, Client, WgQuick, random_key

CHART = SOURCE_DIR / "deploy/helm/vpn"
ORIGINAL = pathlib.Path(__file__).with_name("original")
# What tests/packages/image.py made of deploy/docker/Dockerfile, and the names under which it is asked for: by the guide, by the charts,
# and as another version.
IMAGE = [BUILD_DIR / "tests/packages/buildah/image.tar", "localhost/vpn-enabler:latest", "registry.example.org/vpn:2.0.0",
         *(f"docker.io/assistiot/vpn:{tag}" for tag in ("2.0.0", "2.0.1-next", "1.1.0"))]
MONGO = "docker.io/library/mongo:4.4.13"
GUIDE = " ".join((SOURCE_DIR / "docs/install.md").read_text().split())
NOT_CONNECTED = (7, 28)  # what curl exits with then
VOLUMES = 3  # one for each case; what was claimed is not given to another
BACK_S = 30  # how long a client may be without the site after a pod's end


def cluster():
    """A cluster with the images, and volumes that any node may mount."""
    directory = LAB_DIR / "images"
    directory.mkdir()
    result = Cluster([[pause(directory)], IMAGE, [mongo(directory, MONGO)]])
    result.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {
        "name": "shared", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"},
        *(volume(f"volume{number}") for number in range(VOLUMES)))
    return result


def volume(name):
    directory = LAB_DIR / name
    directory.mkdir()
    directory.chmod(0o777)
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "shared",
                     "hostPath": {"path": str(directory)}}}


class Release:
    """The release `vpn` of a chart, and what a person with kubectl sees of it."""

    SELECTOR = "app.kubernetes.io/instance=vpn,app.kubernetes.io/component=api"

    def __init__(self, world):
        self.world = world

    def guided(self, command):
        """Runs a command that docs/install.md gives, as it stands there; gives the output."""
        if command not in GUIDE:
            raise Failure(f"docs/install.md does not say: {command}")
        said = self.world.shell(command)
        print(f"  ok  {command}", flush=True)
        if command.startswith(("helm install", "helm upgrade", "helm rollback")):
            self.rolled_out()
        return said

    def helm(self, command, *words):
        self.world.helm(command, "vpn", *words)
        self.rolled_out()

    def rolled_out(self):
        for kind in ("statefulset", "deployment"):
            for found in self.world.get(kind, "--selector=app.kubernetes.io/instance=vpn")["items"]:
                self.world.kubectl("rollout", "status", f"{kind}/{found['metadata']['name']}", f"--timeout={LIMIT_S}s",
                                   seconds=LIMIT_S + 20)

    def pods(self):
        """The gateways that are not about to end."""
        pods = self.world.get("pods", f"--selector={self.SELECTOR}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, count):
        for state in ("replicas", "readyReplicas"):
            self.world.wait(f"--for=jsonpath={{.status.{state}}}={count}", "deployment/vpn-api")

    def replaces(self, change):
        """Makes a change that ends every gateway there is; what is answered after it, their successors answer."""
        old = self.pods()
        change()
        self.world.wait_until_gone(old)

    def leave(self):
        self.guided("helm uninstall vpn")
        self.world.kubectl("delete", "secret,pvc", "--selector=enabler=vpn")

    def secret(self, name, key):
        return self.world.kubectl("get", "secret", name, f"--output=go-template={{{{ index .data \"{key}\" | base64decode }}}}")

    def service(self):
        return self.world.get("service", "vpn-api")["spec"]

    def node_port(self, name):
        [port] = [port["nodePort"] for port in self.service()["ports"] if port["name"] == name]
        return port

    def ask(self, method, path, body=None, token=True, until=None):
        """A call of bob, who is outside; gives (status, text). With `until` it is repeated until the answer has this status."""
        words = ["curl", "-sS", "--connect-timeout", "2", "--max-time", "20", "-w", "\n%{http_code}", "-X", method]
        words += ["-H", f"Authorization: Bearer {self.secret('vpn-api', 'api-token')}"] if token else []
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
        words.append(f"http://{self.world.a.address}:{self.node_port('api')}{path}")

        def answer():
            done = self.world.bob.run(words, ok=False)
            # Each node's proxy learns a moment later which gateways there are.
            if done.returncode in NOT_CONNECTED:
                return None
            text, status = done.stdout.rsplit("\n", 1)
            return (int(status), text) if until in (None, int(status)) else None
        return wait_until(f"{method} {path} is answered" + (f" {until}" if until else ""), answer, LIMIT_S)

    def call(self, method, path, body=None):
        """A call that must succeed; gives the answer."""
        status, text = self.ask(method, path, body)
        if status not in (200, 204):
            raise Failure(f"{method} {path}: {status} {text}")
        return json.loads(text) if text else None

    def clients(self):
        return {client["publicKey"]: client["clientIP"] for client in self.call("GET", "/clients")}

    def connect(self):
        """Makes alice a client over REST and brings her stock tunnel up, of what the API said alone."""
        keys = self.call("GET", "/keys")
        answer = self.call("POST", "/client", {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
        client = Client(self.world.alice, keys, answer)
        client.tunnel.up()
        return client, answer


def reaches(world, what):
    """Alice reaches the site host within the time that a client may be away."""
    ping = Ping(world.alice, SITE, interval=0.2)
    took = ping.first_reply_after(ping.begun, BACK_S)
    ping.stop()
    check(f"alice reaches the site {what}", took < BACK_S, f"{took:.1f} s")


def defaults(world):
    """One gateway with SQLite: installed, killed, upgraded, taken away and installed again; as the guide says."""
    release = Release(world)
    install = "helm install vpn deploy/helm/vpn --set api.image.repository=registry.example.org/vpn"
    release.guided(install)
    release.guided("kubectl rollout status deployment/vpn-api")
    client, answer = release.connect()
    [pod] = release.pods()
    equal("clients are told the node's address", answer["serverIP"], pod["status"]["hostIP"])
    equal("and the port on the nodes", answer["serverPort"], release.node_port("wireguard"))
    reaches(world, "through the NodePort")
    equal("the gateway knows her", set(release.clients()), {client.public_key})
    confined(pod)
    token = release.secret("vpn-api", "api-token")
    equal("the API's answer without the token", release.ask("GET", "/clients", token=False)[0], 401)
    release.guided("kubectl exec deployment/vpn-api -- vpn-enabler client add laptop > laptop.conf")
    laptop = world.shell("cat laptop.conf")
    check("laptop.conf is a file for WireGuard", "[Interface]" in laptop and f":{answer['serverPort']}" in laptop)

    world.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    world.wait_until_gone([pod])
    reaches(world, "after the pod was killed")
    equal("no client is lost", len(release.clients()), 2)

    [before] = release.pods()
    upgrade_in_place = "helm upgrade vpn deploy/helm/vpn --reset-then-reuse-values"
    release.guided(upgrade_in_place)
    [after] = release.pods()
    equal("an upgrade without a change leaves the pod alone", after["metadata"]["uid"], before["metadata"]["uid"])
    equal("and the token", release.secret("vpn-api", "api-token"), token)
    release.guided("helm uninstall vpn")
    world.wait_until_gone([after])
    release.guided(install)
    reaches(world, "after the release was taken away and installed again")
    equal("no client is lost then", len(release.clients()), 2)

    client.tunnel.down()
    release.guided("helm uninstall vpn")
    release.guided("kubectl delete secret,pvc vpn-api")


def confined(pod):
    [container] = pod["spec"]["containers"]
    context = container["securityContext"]
    equal("the gateway's capabilities", context["capabilities"], {"add": ["NET_ADMIN"], "drop": ["ALL"]})
    check("it is not privileged, and its root is read-only", not context.get("privileged") and context["readOnlyRootFilesystem"])


def replicas(world):
    """Three gateways on the bundled MongoDB: killed, without their database, rolled out, drained, scaled."""
    release = Release(world)
    release.guided("helm install vpn deploy/helm/vpn --set store=mongodb --set api.replicaCount=3")
    release.ready(3)
    equal("they are spread over the nodes", len({pod["spec"]["nodeName"] for pod in release.pods()}), 2)
    client, _ = release.connect()
    reaches(world, "through three gateways")
    others = {release.call("GET", "/keys")["public"] for _ in range(20)}
    for key in others:
        release.call("POST", "/client", {"publicKey": key})

    def is_back(after):
        reaches(world, after)
        equal("no client is lost", set(release.clients()), others | {client.public_key})

    for pod in release.pods():
        world.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
        world.wait_until_gone([pod])
        is_back("after a pod was killed")
        release.ready(3)

    world.kubectl("scale", "statefulset/vpn-db", "--replicas=0")
    release.ask("GET", "/health", until=503)
    is_back("without the database")
    equal("/health/ready, which Kubernetes asks", release.ask("GET", "/health/ready")[0], 200)
    equal("a change without the database", release.ask("POST", "/client", {"publicKey": random_key()})[0], 503)
    world.kubectl("scale", "statefulset/vpn-db", "--replicas=1")
    release.ask("GET", "/health", until=200)

    release.replaces(lambda: release.helm("upgrade", CHART, "--reuse-values", "--set", "api.image.tag=2.0.1-next"))
    equal("the new version runs", {pod["spec"]["containers"][0]["image"] for pod in release.pods()}, {"assistiot/vpn:2.0.1-next"})
    is_back("after the roll-out")

    for machine in (world.a, world.b):
        world.kubectl("drain", machine.name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={LIMIT_S}s", seconds=LIMIT_S + 20)
        equal(f"pods left on {machine.name}", [pod for pod in release.pods() if pod["spec"]["nodeName"] == machine.name], [])
        is_back(f"after {machine.name} was drained")
        world.kubectl("uncordon", machine.name)
        release.ready(3)

    for count in (1, 3):
        old = release.pods()
        world.kubectl("scale", "deployment/vpn-api", f"--replicas={count}")
        release.ready(count)
        kept = {pod["metadata"]["uid"] for pod in release.pods()}
        world.wait_until_gone([pod for pod in old if pod["metadata"]["uid"] not in kept])
        is_back(f"scaled to {count}")

    client.tunnel.down()
    release.leave()


def upgrade(world):
    """A release of chart 1.1.0 becomes one of ours, and goes back: the same client, key, port, volume."""
    release = Release(world)
    release.helm("install", ORIGINAL, "--set", f"api.envVars.serverIP={world.a.address}")
    inside = ("exec", "deployment/vpn-api", "--", "vpn-enabler")
    # Nothing asked its pod whether it is ready.
    wait_until("it has its database", lambda: world.kubectl(*inside, "health", ok=False).returncode == 0, 120)
    text = world.kubectl(*inside, "client", "add", "alice")
    # Behind a NodePort the original told clients its own port; a person mended that in the file.
    port = release.node_port("wireguard")
    tunnel = WgQuick(world.alice, re.sub(r"(Endpoint = .*):\d+", rf"\1:{port}", text))
    tunnel.up()
    reaches(world, "through chart 1.1.0")
    before = identities(world, release)

    release.replaces(lambda: release.guided("helm upgrade vpn deploy/helm/vpn --reset-then-reuse-values"))
    reaches(world, "after the upgrade")
    equal("volume, claim and ports are the same", identities(world, release), before)
    confined(release.pods()[0])
    original = json.loads(world.helm("get", "values", "vpn", "--revision", "1", "--all", "--output", "json"))
    old_key, old_password = original["api"]["envVars"]["wgPrivateKey"], original["db"]["envVars"]["password"]
    equal("the private key is the old one", release.secret("vpn-api", "wg-private-key"), old_key)
    equal("the database's password too", release.secret("vpn-db", "mongodb-password"), old_password)
    equal("the client is there", len(release.clients()), 1)

    release.replaces(lambda: release.guided("helm rollback vpn"))
    reaches(world, "after the way back")
    release.replaces(lambda: release.helm("upgrade", CHART, "--reuse-values"))
    reaches(world, "after the upgrade with nothing but the old values")
    equal("still the same volume, claim and ports", identities(world, release), before)
    tunnel.down()
    release.leave()


def identities(world, release):
    [claim] = world.get("pvc")["items"]
    return (claim["metadata"]["uid"], claim["spec"]["volumeName"], world.get("statefulset", "vpn-db")["metadata"]["uid"],
            release.node_port("wireguard"), release.node_port("api"), release.service()["clusterIP"])


CASES = {"defaults": defaults, "replicas": replicas, "upgrade": upgrade}


def story(cases):
    world = cluster()
    try:
        for name in cases:
            print(f"{name}: {CASES[name].__doc__}", flush=True)
            CASES[name](world)
            world.wait("--for=delete", "pod", "--selector=enabler=vpn")
            equal("nothing of it is left", world.get("all,secret,pvc,networkpolicy,pdb", "--selector=enabler=vpn")["items"], [])
    except Failure as failure:
        raise Failure(f"{failure}\n{world.state()}") from failure


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(CASES):
        sys.exit(f"no case {unknown}: there are {', '.join(CASES)}")
    sys.exit(bounds.within(lambda: run(lambda: story(sys.argv[1:] or CASES))))
