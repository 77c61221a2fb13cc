#!/usr/bin/env python3
"""The Helm chart, without a cluster: what it makes of values, and what it refuses. Usage: chart.py [-v] [CASE ...] | --accept

Each file of cases/ is a set of values; what the chart makes of it is golden/<name>.yaml, which --accept writes anew. What is made
at random stands there as (generated).
"""

import base64
import hashlib
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHART = ROOT / "deploy/helm/vpn"
HELM = ROOT / "build/tools/helm"
VALIDATE = ROOT / "build/tools/kubectl-validate"
KUBERNETES = ("1.27", "1.30")  # an old version that sites run, and the newest whose schemas the tool brings along
CASES = sorted((HERE / "cases").glob("*.yaml"))
PUBLISHED_KEY = "a8e439071cf186d4186a007c9e9f2ffcc2f4a1f2b42dddee87763d7161c8f426"  # of chart 1.1.0, as SHA-256


def helm(*arguments):
    return subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def template(*arguments, release="vpn"):
    return helm("template", release, CHART, "--namespace", "site", "--api-versions", "monitoring.coreos.com/v1", *arguments)


def made(*arguments, release="vpn"):
    done = template(*arguments, release=release)
    if done.returncode != 0:
        raise AssertionError(f"helm template {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def settled(case):
    """What the chart makes of the case, with (generated) where two runs differ."""
    lines = []
    for one, other in itertools.zip_longest(*(made("--values", case).splitlines() for _ in range(2))):
        lines.append(one if one == other else one.split(": ")[0] + ": (generated)")
    return "\n".join(lines) + "\n"


def secret(text, key):
    [value] = re.findall(rf"^  {key}: (\S+)$", text, re.MULTILINE)
    return base64.b64decode(value).decode()


def setting(text, name):
    [value] = re.findall(rf'- name: {name}\n +value: "(.*)"', text)
    return value


class Lint(unittest.TestCase):
    def test_strict(self):
        for case in CASES:
            with self.subTest(case.stem):
                done = helm("lint", "--strict", CHART, "--values", case)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_version_is_the_programs(self):
        [version] = re.findall(r"project\(vpn-enabler VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
        chart = (CHART / "Chart.yaml").read_text()
        self.assertIn(f'\nappVersion: "{version}"\n', chart)

    def test_package_holds_the_chart(self):
        with tempfile.TemporaryDirectory() as directory:
            done = helm("package", CHART, "--destination", directory)
            self.assertEqual(done.returncode, 0, done.stderr)
            [archive] = pathlib.Path(directory).iterdir()
            names = set(tarfile.open(archive).getnames())
        files = {f"vpn/{file.relative_to(CHART)}" for file in CHART.rglob("*") if file.is_file()}
        self.assertEqual(names, files)


class Golden(unittest.TestCase):
    maxDiff = None

    def test_every_case_is_as_it_was(self):
        for case in CASES:
            with self.subTest(case.stem):
                self.assertEqual(settled(case), (HERE / "golden" / case.name).read_text())

    def test_no_golden_file_without_a_case(self):
        self.assertEqual({file.name for file in (HERE / "golden").iterdir()}, {case.name for case in CASES})


class Kubernetes(unittest.TestCase):
    def validated(self, version, manifests):
        """Whether that Kubernetes would take the manifests, name to text; and what it says."""
        with tempfile.TemporaryDirectory() as directory:
            for name, text in manifests.items():
                (pathlib.Path(directory) / f"{name}.yaml").write_text(text)
            done = subprocess.run([VALIDATE, directory, "--version", version, "--local-crds", HERE / "crds"], capture_output=True,
                                  text=True, timeout=240)
        return done.returncode == 0, done.stdout + done.stderr

    def test_takes_every_case(self):
        manifests = {case.stem: made("--values", case) for case in CASES}
        for version in KUBERNETES:
            taken, said = self.validated(version, manifests)
            self.assertTrue(taken, f"Kubernetes {version}: {said}")

    def test_would_refuse_a_fault(self):
        for version in KUBERNETES:
            taken, said = self.validated(version, {"fault": made().replace("  replicas: 1\n", "  replicas: one\n")})
            self.assertIn("spec.replicas", said)
            self.assertFalse(taken)


class Secrets(unittest.TestCase):
    def test_are_generated_and_differ(self):
        one, other = made("--set", "store=mongodb"), made("--set", "store=mongodb")
        self.assertEqual(len(base64.b64decode(secret(one, "wg-private-key"))), 32)
        self.assertRegex(secret(one, "api-token"), "^[A-Za-z0-9]{43}$")
        self.assertRegex(secret(one, "mongodb-password"), "^[A-Za-z0-9]{32}$")
        for key in ("wg-private-key", "api-token", "mongodb-password"):
            self.assertNotEqual(secret(one, key), secret(other, key))

    def test_given_ones_are_taken_and_only_in_secrets(self):
        given = {"api.envVars.wgPrivateKey": ("wg-private-key", "YDhkBXyym+L255TwBGHWXXWcaMqaGqlJLLyc4XyyE18="),
                 "api.envVars.apiToken": ("api-token", "0123456789abcdef"),
                 "db.envVars.password": ("mongodb-password", "4ss1st10t")}
        words = [word for name, (_, value) in given.items() for word in ("--set", f"{name}={value}")]
        text = made("--set", "store=mongodb", *words)
        for key, value in given.values():
            self.assertEqual(secret(text, key), value)
            self.assertNotIn(value, text)

    def test_other_given_ones_restart_the_pods(self):
        def checksum(*arguments):
            return re.findall("checksum/secrets: (.*)", made(*arguments))
        self.assertEqual(checksum(), checksum())
        self.assertNotEqual(checksum(), checksum("--set", "api.envVars.apiToken=0123456789abcdef"))

    def test_no_secret_is_an_environment_variable(self):
        for case in CASES:
            text = made("--values", case)
            names = re.findall("- name: ([A-Z_]+)", text)
            secrets = {"WG_PRIVATE_KEY", "API_TOKEN", "MONGODB_PASS", "MONGO_INITDB_ROOT_PASSWORD"}
            self.assertFalse(secrets & set(names), case.stem)
            self.assertNotIn("a-password", text, case.stem)


class Pods(unittest.TestCase):
    def test_no_container_is_privileged(self):
        for case in CASES:
            text = made("--values", case)
            containers = text.split("initContainers:")[0] + text.split("      containers:", 1)[1]
            self.assertNotIn("privileged: true", containers, case.stem)

    def test_gateway_has_net_admin_and_nothing_else(self):
        context = made().split("      containers:")[1].split("ports:")[0]
        self.assertRegex(context, r"add:\n\s+- NET_ADMIN\n\s+drop:\n\s+- ALL\n\s+readOnlyRootFilesystem: true")
        self.assertIn("allowPrivilegeEscalation: false", context)

    def test_advertised_port_is_the_nodes(self):
        text = made()
        self.assertEqual([setting(text, "SERVER_PORT")], re.findall("nodePort: (.*)", text))
        self.assertIn(int(setting(text, "SERVER_PORT")), range(30000, 32768))
        self.assertEqual(setting(made("--set", "api.service.ports.wireguard.nodePort=30007"), "SERVER_PORT"), "30007")
        self.assertEqual(setting(made("--set", "api.service.type=LoadBalancer"), "SERVER_PORT"), "51820")
        self.assertEqual(setting(made("--set", "api.envVars.serverPort=443"), "SERVER_PORT"), "443")

    def test_store_follows_the_originals_values(self):
        for values, store in (("api.envVars.ltse=true", "ltse"), ("api.envVars.ltse=false", "mongodb"),
                              ("api.externalDatabase.enabled=true", "mongodb"), ("store=", "sqlite")):
            self.assertEqual(setting(made("--set", values), "STORE"), store, values)


class Schema(unittest.TestCase):
    REFUSED = {
        "api.replicaCount=2": "/api/replicaCount",
        "store=sqlite,api.replicaCount=2": "/api/replicaCount",
        "api.autoscaling.enabled=true": "/api/autoscaling/enabled",
        "db.replicaCount=2": "/db/replicaCount",
        "store=redis": "/store': value must be one of '', 'sqlite', 'mongodb', 'ltse'",
        "api.replicacount=1": "additional properties 'replicacount' not allowed",
        "api.envVars.WG_PORT=1": "additional properties 'WG_PORT' not allowed",
        "api.envVars.wgPrivateKey=short": "/api/envVars/wgPrivateKey",
        "api.envVars.apiToken=short": "/api/envVars/apiToken",
        "api.envVars.wgSubnet=10.0.0.1": "/api/envVars/wgSubnet",
        "api.envVars.wgSubnet6=10.0.0.1/24": "/api/envVars/wgSubnet6",
        "api.envVars.wgSubnet6=fd00:2::1/112": "/api/envVars/wgSubnet6",
        "api.envVars.serverIP=two words": "/api/envVars/serverIP",
        "api.envVars.ltse=maybe": "/api/envVars/ltse",
        "api.envVars.ltseUrl=ltse:8080": "/api/envVars/ltseUrl",
        "api.extraEnv.lower=1": "'lower' does not match pattern",
        "api.service.type=Nodeport": "/api/service/type",
        "api.service.ports.api.port=0": "/api/service/ports/api/port",
        "api.service.ports.wireguard.nodePort=70000": "/api/service/ports/wireguard/nodePort",
        "api.service.ports.wireguard.protocol=TCP": "/api/service/ports/wireguard/protocol",
        "api.sysctls.mode=always": "/api/sysctls/mode",
        "api.persistence.size=big": "/api/persistence/size",
        "globalService=yes": "/globalService",
    }
    TAKEN = ("store=mongodb,api.replicaCount=3", "store=ltse,api.autoscaling.enabled=true",
             "api.envVars.ltse=true,api.replicaCount=2", "api.externalDatabase.enabled=true,api.replicaCount=2",
             "api.replicaCount=0", "db.replicaCount=0")

    def test_refuses_and_says_where(self):
        for values, where in self.REFUSED.items():
            with self.subTest(values):
                done = template("--set", values)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(where, done.stderr)

    def test_takes_the_rest(self):
        for values in self.TAKEN:
            with self.subTest(values):
                self.assertEqual(template("--set", values).returncode, 0)

    def test_knows_every_key_of_the_values(self):
        """A key that is in values.yaml alone would be refused at once; one that is in the schema alone does nothing."""
        described = set(re.findall(r"^\| `([^`]+)`", (CHART / "README.md").read_text(), re.MULTILINE))
        self.assertGreater(len(described), 80)
        templates = "".join(file.read_text() for file in (CHART / "templates").rglob("*") if file.is_file())
        for path in described:
            self.assertIn(path.split(".")[-1], templates, f"no template reads {path}")


class Notes(unittest.TestCase):
    def notes(self, *arguments, published=PUBLISHED_KEY):
        """What helm prints after an installation, which takes a cluster: here as an object of a copy of the chart."""
        with tempfile.TemporaryDirectory() as directory:
            chart = pathlib.Path(directory) / "vpn"
            shutil.copytree(CHART, chart)
            text = (chart / "templates/NOTES.txt").read_text()
            (chart / "notes").write_text(text.replace(PUBLISHED_KEY, published))
            (chart / "templates/notes.yaml").write_text('notes: |\n{{ tpl (.Files.Get "notes") . | indent 2 }}')
            done = helm("template", "vpn", chart, "--namespace", "site", "--show-only", "templates/notes.yaml", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_print_the_commands_of_the_first_client(self):
        notes = self.notes()
        self.assertIn("kubectl --namespace site exec deployment/vpn-api -- vpn-enabler client add laptop > laptop.conf", notes)
        self.assertIn('{{ index .data "api-token" | base64decode }}', notes)
        self.assertNotIn("WARNING", notes)

    def test_say_whom_clients_call(self):
        for values, said in (("store=", "the gateway's node, UDP port 3"),
                             ("api.envVars.serverIP=vpn.example.org", "call vpn.example.org, UDP"),
                             ("api.service.type=LoadBalancer", "no address yet"),
                             ("api.service.type=ClusterIP", "a Service of your own")):
            self.assertIn(said, self.notes("--set", values), values)

    def test_warn_of_the_published_key(self):
        key = "YDhkBXyym+L255TwBGHWXXWcaMqaGqlJLLyc4XyyE18="
        given = ("--set", f"api.envVars.wgPrivateKey={key}")
        self.assertIn("WARNING", self.notes(*given, published=hashlib.sha256(key.encode()).hexdigest()))
        self.assertNotIn("WARNING", self.notes(*given))


if __name__ == "__main__":
    if sys.argv[1:] == ["--accept"]:
        for case in CASES:
            (HERE / "golden" / case.name).write_text(settled(case))
    else:
        unittest.main()
