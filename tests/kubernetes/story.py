#!/usr/bin/env python3
"""The chart on a whole Kubernetes (cluster.py draws it): a stock client outside reaches a site host through a NodePort, with one
gateway, with three, and over the upgrade from chart 1.1.0. Usage: story.py CASE
"""

import json
import os
import pathlib
import re
import sys

from cluster import SITE, WORK, Cluster, within_bounds
from images import gateway, mongo, pause

from lab import Failure, Ping, check, equal, run, wait_until
from product import BUILD_DIR, SOURCE_DIR, Client, WgQuick

CHART = SOURCE_DIR / "deploy/helm/vpn"
ORIGINAL = pathlib.Path(__file__).with_name("original")
IMAGE, NEXT_VERSION, OLD_VERSION = (f"docker.io/assistiot/vpn:{tag}" for tag in ("2.0.0", "2.0.1-next", "1.1.0"))
MONGO = "docker.io/library/mongo:4.4.13"
BACK_S = 30  # how long a client may be without the site after a pod's end


def cluster():
    """A cluster with the images, and volumes that any node may mount."""
    directory = pathlib.Path(os.environ[WORK]) / "images"
    directory.mkdir()
    gateways = gateway(directory, BUILD_DIR / "vpn-enabler", IMAGE, NEXT_VERSION, OLD_VERSION)
    result = Cluster([pause(directory), *gateways, mongo(directory, MONGO)])
    result.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {
        "name": "shared", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"},
        *(volume(f"volume{number}") for number in range(2)))
    return result


def volume(name):
    directory = pathlib.Path(os.environ[WORK]) / name
    directory.mkdir()
    directory.chmod(0o777)
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "shared",
                     "hostPath": {"path": str(directory)}}}


class Release:
    """A release of a chart, and what a person with kubectl sees of it."""

    def __init__(self, world, name, full_name):
        self.world, self.name, self.full_name = world, name, full_name
        self.selector = f"app.kubernetes.io/instance={name},app.kubernetes.io/component=api"

    def install(self, chart, *words):
        self.world.helm("install", self.name, chart, *words)
        self.rolled_out()

    def upgrade(self, chart, *words):
        self.world.helm("upgrade", self.name, chart, *words)
        self.rolled_out()

    def rolled_out(self):
        for kind in ("statefulset", "deployment"):
            for found in self.world.get(kind, f"--selector=app.kubernetes.io/instance={self.name}")["items"]:
                name = f"{kind}/{found['metadata']['name']}"
                self.world.wait(f"{name} is rolled out", "rollout", "status", name, "--timeout=180s", seconds=200)

    def pods(self):
        """The gateways that are not about to end."""
        pods = self.world.get("pods", f"--selector={self.selector}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, count):
        def as_many():
            states = [{condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])} for pod in self.pods()]
            return len(states) == count and all(state.get("Ready") == "True" for state in states)
        wait_until(f"{count} gateways are ready", as_many, 120)

    def secret(self, name, key):
        return self.world.kubectl("get", "secret", name, f"--output=go-template={{{{ index .data \"{key}\" | base64decode }}}}")

    def service(self):
        return self.world.get("service", f"{self.full_name}-api")["spec"]

    def node_port(self, name):
        [port] = [port["nodePort"] for port in self.service()["ports"] if port["name"] == name]
        return port

    def call(self, method, path, body=None):
        """A call of bob, who is outside and has the token; gives the answer."""
        words = ["curl", "-sS", "--max-time", "10", "-w", "\n%{http_code}", "-X", method,
                 "-H", f"Authorization: Bearer {self.secret(f'{self.full_name}-api', 'api-token')}",
                 f"http://{self.world.a.address}:{self.node_port('api')}{path}"]
        answer = self.world.bob.run(words + (["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []))
        text, status = answer.rsplit("\n", 1)
        if status not in ("200", "204"):
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

    def exec(self, *words):
        return self.world.kubectl("exec", f"deployment/{self.full_name}-api", "--", *words)


def reaches(world, what):
    """Alice reaches the site host within the time that a client may be away."""
    ping = Ping(world.alice, SITE, interval=0.2)
    took = ping.first_reply_after(ping.begun, BACK_S)
    ping.stop()
    check(f"alice reaches the site {what}", took < BACK_S, f"{took:.1f} s")


def defaults():
    """One gateway with SQLite: installed, killed, upgraded, taken away and installed again."""
    world = cluster()
    release = Release(world, "vpn", "vpn")
    release.install(CHART)
    client, answer = release.connect()
    [pod] = release.pods()
    equal("clients are told the node's address", answer["serverIP"], pod["status"]["hostIP"])
    equal("and the port on the nodes", answer["serverPort"], release.node_port("wireguard"))
    reaches(world, "through the NodePort")
    equal("the gateway knows her", set(release.clients()), {client.public_key})
    confined(pod)
    token = release.secret("vpn-api", "api-token")
    check("the API wants the token", "401" in world.bob.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{world.a.address}:{release.node_port('api')}/clients"]))
    check("the command of the notes makes a client", "[Interface]" in release.exec("vpn-enabler", "client", "add", "laptop"))

    world.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    release.ready(1)
    reaches(world, "after the pod was killed")
    equal("no client is lost", len(release.clients()), 2)

    [before] = release.pods()
    release.upgrade(CHART)
    [after] = release.pods()
    equal("an upgrade without a change leaves the pod alone", after["metadata"]["uid"], before["metadata"]["uid"])
    equal("and the token", release.secret("vpn-api", "api-token"), token)
    world.helm("uninstall", "vpn", "--wait")
    release.install(CHART)
    reaches(world, "after the release was taken away and installed again")
    equal("no client is lost then", len(release.clients()), 2)


def confined(pod):
    [container] = pod["spec"]["containers"]
    context = container["securityContext"]
    equal("the gateway's capabilities", context["capabilities"], {"add": ["NET_ADMIN"], "drop": ["ALL"]})
    check("it is not privileged, and its root is read-only", not context.get("privileged") and context["readOnlyRootFilesystem"])


def replicas():
    """Three gateways on the bundled MongoDB: scaled, killed, rolled out, drained."""
    world = cluster()
    release = Release(world, "fleet", "fleet-vpn")
    release.install(CHART, "--set", "store=mongodb")
    client, _ = release.connect()
    reaches(world, "through one gateway")
    others = {release.call("GET", "/keys")["public"] for _ in range(20)}
    for key in others:
        release.call("POST", "/client", {"publicKey": key})

    def no_client_lost():
        equal("no client is lost", set(release.clients()), others | {client.public_key})

    release.upgrade(CHART, "--reuse-values", "--set", "api.replicaCount=3")
    release.ready(3)
    equal("they are spread over the nodes", len({pod["spec"]["nodeName"] for pod in release.pods()}), 2)
    reaches(world, "through three")
    for pod in release.pods():
        world.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
        reaches(world, f"after {pod['metadata']['name']} was killed")
        release.ready(3)
    no_client_lost()

    release.upgrade(CHART, "--reuse-values", "--set", "api.image.tag=2.0.1-next")
    equal("the new version runs", {pod["spec"]["containers"][0]["image"] for pod in release.pods()}, {"assistiot/vpn:2.0.1-next"})
    reaches(world, "after the roll-out")
    no_client_lost()

    for machine in (world.a, world.b):
        world.kubectl("drain", machine.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s", seconds=200)
        equal(f"none is left on {machine.name}", [pod for pod in release.pods() if pod["spec"]["nodeName"] == machine.name], [])
        release.rolled_out()
        reaches(world, f"after {machine.name} was drained")
        no_client_lost()
        world.kubectl("uncordon", machine.name)
    release.world.kubectl("scale", "deployment/fleet-vpn-api", "--replicas=1")
    release.ready(1)
    reaches(world, "after two were taken away")
    no_client_lost()


def upgrade():
    """A release of chart 1.1.0 becomes one of ours, and goes back: the same client, key, port, volume."""
    world = cluster()
    release = Release(world, "site", "site-vpn")
    release.install(ORIGINAL, "--set", f"api.envVars.serverIP={world.a.address}")
    text = release.exec("vpn-enabler", "client", "add", "alice")
    # Behind a NodePort the original told clients its own port; a person mended that in the file.
    port = release.node_port("wireguard")
    tunnel = WgQuick(world.alice, re.sub(r"(Endpoint = .*):\d+", rf"\1:{port}", text))
    tunnel.up()
    reaches(world, "through chart 1.1.0")
    before = identities(world, release)

    release.upgrade(CHART, "--reset-then-reuse-values")
    reaches(world, "after the upgrade")
    equal("volume, claim and ports are the same", identities(world, release), before)
    confined(release.pods()[0])
    original = json.loads(world.helm("get", "values", "site", "--revision", "1", "--all", "--output", "json"))
    old_key, old_password = original["api"]["envVars"]["wgPrivateKey"], original["db"]["envVars"]["password"]
    equal("the private key is the old one", release.secret("site-vpn-api", "wg-private-key"), old_key)
    equal("the database's password too", release.secret("site-vpn-db", "mongodb-password"), old_password)
    equal("the client is there", len(release.clients()), 1)

    world.helm("rollback", "site", "1")
    release.rolled_out()
    reaches(world, "after the way back")
    release.upgrade(CHART, "--reuse-values")
    reaches(world, "after the upgrade with nothing but the old values")
    equal("still the same volume, claim and ports", identities(world, release), before)


def identities(world, release):
    [claim] = world.get("pvc")["items"]
    return (claim["metadata"]["uid"], claim["spec"]["volumeName"], world.get("statefulset", "site-vpn-db")["metadata"]["uid"],
            release.node_port("wireguard"), release.node_port("api"), release.service()["clusterIP"])


CASES = {"defaults": defaults, "replicas": replicas, "upgrade": upgrade}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(CASES)}")
    sys.exit(within_bounds(lambda: run(CASES[sys.argv[1]])))
