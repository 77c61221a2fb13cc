#!/usr/bin/env python3
"""The chart on a whole Kubernetes (cluster.py draws it): a stock client outside reaches a site host through a NodePort, with one
gateway, with three, and over the upgrade from chart 1.1.0. Usage: story.py CASE
"""

import json
import os
import pathlib
import re
import sys

import bounds
from cluster import SITE, Cluster
from images import mongo, pause

from lab import Failure, Ping, check, equal, run, wait_until
from product import BUILD_DIR, SOURCE_DIR, Client, WgQuick, random_key

CHART = SOURCE_DIR / "deploy/helm/vpn"
ORIGINAL = pathlib.Path(__file__).with_name("original")
# What tests/packages/image.py made of deploy/docker/Dockerfile, and the names under which it is asked for: by the guide, by the charts,
# and as another version.
IMAGE = [BUILD_DIR / "tests/packages/buildah/image.tar", "localhost/vpn-enabler:latest", "registry.example.org/vpn:2.0.0",
         *(f"docker.io/assistiot/vpn:{tag}" for tag in ("2.0.0", "2.0.1-next", "1.1.0"))]
MONGO = "docker.io/library/mongo:4.4.13"
GUIDE = " ".join((SOURCE_DIR / "docs/install.md").read_text().split())
BACK_S = 30  # how long a client may be without the site after a pod's end


def cluster():
    """A cluster with the images, and volumes that any node may mount."""
    directory = pathlib.Path(os.environ[bounds.WORK]) / "images"
    directory.mkdir()
    result = Cluster([[pause(directory)], IMAGE, [mongo(directory, MONGO)]])
    result.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {
        "name": "shared", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"},
        *(volume(f"volume{number}") for number in range(2)))
    return result


def volume(name):
    directory = pathlib.Path(os.environ[bounds.WORK]) / name
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
                name = f"{kind}/{found['metadata']['name']}"
                self.world.wait(f"{name} is rolled out", "rollout", "status", name, "--timeout=300s", seconds=320)

    def pods(self):
        """The gateways that are not about to end."""
        pods = self.world.get("pods", f"--selector={self.SELECTOR}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, count):
        def as_many():
            states = [{condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])} for pod in self.pods()]
            return len(states) == count and all(state.get("Ready") == "True" for state in states)
        wait_until(f"{count} gateways are ready", as_many, 300)

    def secret(self, name, key):
        return self.world.kubectl("get", "secret", name, f"--output=go-template={{{{ index .data \"{key}\" | base64decode }}}}")

    def service(self):
        return self.world.get("service", "vpn-api")["spec"]

    def node_port(self, name):
        [port] = [port["nodePort"] for port in self.service()["ports"] if port["name"] == name]
        return port

    def ask(self, method, path, body=None, token=True):
        """A call of bob, who is outside; gives (status, text)."""
        words = ["curl", "-sS", "--max-time", "10", "-w", "\n%{http_code}", "-X", method]
        words += ["-H", f"Authorization: Bearer {self.secret('vpn-api', 'api-token')}"] if token else []
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
        text, status = self.world.bob.run([*words, f"http://{self.world.a.address}:{self.node_port('api')}{path}"]).rsplit("\n", 1)
        return int(status), text

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


def defaults():
    """One gateway with SQLite: installed, killed, upgraded, taken away and installed again; as the guide says."""
    world = cluster()
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
    release.ready(1)
    reaches(world, "after the pod was killed")
    equal("no client is lost", len(release.clients()), 2)

    [before] = release.pods()
    upgrade_in_place = "helm upgrade vpn deploy/helm/vpn --reset-then-reuse-values"
    release.guided(upgrade_in_place)
    [after] = release.pods()
    equal("an upgrade without a change leaves the pod alone", after["metadata"]["uid"], before["metadata"]["uid"])
    equal("and the token", release.secret("vpn-api", "api-token"), token)
    release.guided("helm uninstall vpn")
    wait_until("the pod has ended", lambda: not release.pods(), 60)
    release.guided(install)
    reaches(world, "after the release was taken away and installed again")
    equal("no client is lost then", len(release.clients()), 2)

    release.guided("helm uninstall vpn")
    release.guided("kubectl delete secret,pvc vpn-api")
    equal("nothing of it is left", world.get("all,secret,pvc,networkpolicy,pdb", "--selector=enabler=vpn")["items"], [])


def confined(pod):
    [container] = pod["spec"]["containers"]
    context = container["securityContext"]
    equal("the gateway's capabilities", context["capabilities"], {"add": ["NET_ADMIN"], "drop": ["ALL"]})
    check("it is not privileged, and its root is read-only", not context.get("privileged") and context["readOnlyRootFilesystem"])


def replicas():
    """Three gateways on the bundled MongoDB: killed, without their database, rolled out, drained, scaled."""
    world = cluster()
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
        is_back("after a pod was killed")
        release.ready(3)

    world.kubectl("scale", "statefulset/vpn-db", "--replicas=0")
    wait_until("/health tells that the database is away", lambda: release.ask("GET", "/health")[0] == 503, 60)
    is_back("without the database")
    equal("/health/ready, which Kubernetes asks", release.ask("GET", "/health/ready")[0], 200)
    equal("a change without the database", release.ask("POST", "/client", {"publicKey": random_key()})[0], 503)
    world.kubectl("scale", "statefulset/vpn-db", "--replicas=1")
    wait_until("/health tells that it is back", lambda: release.ask("GET", "/health")[0] == 200, 120)
    release.ready(3)

    release.helm("upgrade", CHART, "--reuse-values", "--set", "api.image.tag=2.0.1-next")
    equal("the new version runs", {pod["spec"]["containers"][0]["image"] for pod in release.pods()}, {"assistiot/vpn:2.0.1-next"})
    is_back("after the roll-out")

    for machine in (world.a, world.b):
        world.kubectl("drain", machine.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s", seconds=200)
        equal(f"pods left on {machine.name}", [pod for pod in release.pods() if pod["spec"]["nodeName"] == machine.name], [])
        release.rolled_out()
        is_back(f"after {machine.name} was drained")
        world.kubectl("uncordon", machine.name)

    for count in (1, 3):
        world.kubectl("scale", "deployment/vpn-api", f"--replicas={count}")
        release.ready(count)
        is_back(f"scaled to {count}")


def upgrade():
    """A release of chart 1.1.0 becomes one of ours, and goes back: the same client, key, port, volume."""
    world = cluster()
    release = Release(world)
    release.helm("install", ORIGINAL, "--set", f"api.envVars.serverIP={world.a.address}")
    text = world.shell("kubectl exec deployment/vpn-api -- vpn-enabler client add alice")
    # Behind a NodePort the original told clients its own port; a person mended that in the file.
    port = release.node_port("wireguard")
    tunnel = WgQuick(world.alice, re.sub(r"(Endpoint = .*):\d+", rf"\1:{port}", text))
    tunnel.up()
    reaches(world, "through chart 1.1.0")
    before = identities(world, release)

    release.guided("helm upgrade vpn deploy/helm/vpn --reset-then-reuse-values")
    reaches(world, "after the upgrade")
    equal("volume, claim and ports are the same", identities(world, release), before)
    confined(release.pods()[0])
    original = json.loads(world.helm("get", "values", "vpn", "--revision", "1", "--all", "--output", "json"))
    old_key, old_password = original["api"]["envVars"]["wgPrivateKey"], original["db"]["envVars"]["password"]
    equal("the private key is the old one", release.secret("vpn-api", "wg-private-key"), old_key)
    equal("the database's password too", release.secret("vpn-db", "mongodb-password"), old_password)
    equal("the client is there", len(release.clients()), 1)

    release.guided("helm rollback vpn")
    reaches(world, "after the way back")
    release.helm("upgrade", CHART, "--reuse-values")
    reaches(world, "after the upgrade with nothing but the old values")
    equal("still the same volume, claim and ports", identities(world, release), before)


def identities(world, release):
    [claim] = world.get("pvc")["items"]
    return (claim["metadata"]["uid"], claim["spec"]["volumeName"], world.get("statefulset", "vpn-db")["metadata"]["uid"],
            release.node_port("wireguard"), release.node_port("api"), release.service()["clusterIP"])


CASES = {"defaults": defaults, "replicas": replicas, "upgrade": upgrade}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(CASES)}")
    sys.exit(bounds.within(lambda: run(CASES[sys.argv[1]])))
