"""A whole Kubernetes on nodes of the lab: etcd, the control plane, two machines with a kubelet, containerd and kube-proxy each.

    203.0.113.0/24 (the nodes' own network, and what is outside)     10.1.0.0/24 (the site, which knows neither pods nor VPN)
    alice .10 ====+==== a .1 ================================================+==== site .10
    bob   .11 ====+==== b .2 ================================================+
    pods 10.244.1.0/24 on a, 10.244.2.0/24 on b; Services 10.96.0.0/16; a also runs the control plane and the cluster's DNS

All that is written stays in the lab's memory, what is written below /var in a layer of the node's own. What the kubelet would set in the
kernel for the whole machine it finds set already, in files that lie over the kernel's. Its cgroups are below one of the test, which
leaves with the test.
"""

import json
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

from bounds import CGROUPS, CONTROLLERS, CPUSET, UNIFIED

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

from lab import LAB_DIR, Failure, Node, link, wait_until  # noqa: E402
from product import SOURCE_DIR  # noqa: E402

TOOLS = SOURCE_DIR / "build/tools"
PROGRAMS = TOOLS / "kubernetes"
OUTSIDE, SITE_NET = "203.0.113", "10.1.0"
SITE = f"{SITE_NET}.10"
LIMIT_S = 300  # for what takes a few seconds on an idle machine
ADMIN = "admin-of-the-test"
SERVER = f"https://{OUTSIDE}.1:6443"

# What the kubelet sets for the whole machine unless it is so.
KERNEL = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
          "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}


class Machine(Node):
    """A node of the cluster: a machine of the lab with cgroups, and directories of its own where programs have fixed ones."""

    def __init__(self, name, number):
        super().__init__(name)
        self.number, self.address, self.pods = number, f"{OUTSIDE}.{number}", f"10.244.{number}"
        self.directory = LAB_DIR / name
        self.directory.mkdir()
        for name_of_layer in ("changes", "work"):
            (self.directory / name_of_layer).mkdir()
        # What is mounted from the machine of the test would still be found, below the node's own.
        mounts = ["mount --make-rshared /", "umount --recursive /sys", "umount --recursive /sys", "mount -t sysfs sysfs /sys",
                  f"mount -t overlay -o lowerdir=/var,upperdir={self.directory}/changes,workdir={self.directory}/work overlay /var",
                  *self._cgroups()]
        for path, value in KERNEL.items():
            file = self.directory / path.replace("/", ".")
            file.write_text(f"{value}\n")
            mounts.append(f"mount --bind {file} /proc/sys/{path}")
        self.run(["sh", "-ec", "\n".join(mounts)])
        self.socket = f"/run/containerd-{name}.sock"

    def _cgroups(self):
        if UNIFIED:
            return [f"mount -t cgroup2 cgroup {CGROUPS}", f"mkdir {CGROUPS}/{self.name}"]
        commands = [f"mount -t tmpfs cgroup {CGROUPS}"]
        for controller in CONTROLLERS:
            group = CGROUPS / controller
            commands += [f"mkdir {group}", f"mount -t cgroup -o {controller} cgroup {group}", f"mkdir {group}/{self.name}"]
        return commands + [f"cat {CGROUPS}/cpuset/{file} >{CGROUPS}/cpuset/{self.name}/{file}" for file in CPUSET]

    def connect(self, switch, site_switch):
        link(switch, self.name, [], self, "eth0", [f"{self.address}/24"])
        link(site_switch, self.name, [], self, "site0", [f"{SITE_NET}.{self.number}/24"])
        for owner in (switch, site_switch):
            owner.run(f"ip link set {self.name} master lan")
        self.run("sysctl -qw net.ipv4.ip_forward=1")
        # Pods leave the cluster with the node's address, as with most network plugins.
        self.run("nft -f -", stdin="table ip pods { chain out { type nat hook postrouting priority 110;"
                                   " ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade; }; }")

    def take(self, images):
        self._start_containerd()
        for image, *names in images:
            self._images("import", image)
            if names:
                self._images("tag", *names)

    def join(self):
        self._start_kubelet()
        self._start_proxy()

    def has(self, address):
        """Whether a pod with this address is there, or what remains of it."""
        return bool(self.run(f"ip route show {address}"))

    def _images(self, *words):
        return self.run(["ctr", "--address", self.socket, "--namespace", "k8s.io", "images", *words], seconds=180)

    def _start_containerd(self):
        network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": f"{self.pods}.0/24"}]],
                                     "routes": [{"dst": "0.0.0.0/0"}]}},
            # A pod begins with the forwarding of the machine that it runs on. Here that is none of the cluster's.
            {"type": "tuning", "sysctl": {"net.ipv4.ip_forward": "1"}}]}
        (self.directory / "net.d").mkdir()
        (self.directory / "net.d/pods.conflist").write_text(json.dumps(network))
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        (self.directory / "containerd.toml").write_text(f"""
            version = 2
            root = "{self.directory}/containerd"
            state = "/run/containerd-{self.name}"
            [grpc]
              address = "{self.socket}"
            [plugins."io.containerd.internal.v1.opt"]
              path = "{self.directory}/opt"
            [{cri}]
              sandbox_image = "localhost/pause:1"
              restrict_oom_score_adj = true
            [{cri}.containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"
            [{cri}.cni]
              bin_dir = "/usr/lib/cni"
              conf_dir = "{self.directory}/net.d"
            """)
        self.spawn(["containerd", "--config", self.directory / "containerd.toml"])
        version = ["ctr", "--address", self.socket, "version"]
        wait_until("containerd answers", lambda: self.run(version, ok=False).returncode == 0, 120)

    def _start_kubelet(self):
        (self.directory / "kubelet.json").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.name}", "failCgroupV1": False, "failSwapOn": False,
            "localStorageCapacityIsolation": False, "enforceNodeAllocatable": ["none"],
            "clusterDNS": [f"{OUTSIDE}.1"], "clusterDomain": "cluster.local", "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi"}, "volumePluginDir": f"{self.directory}/plugins",
            "podLogsDir": f"{self.directory}/logs", "resolvConf": ""}))
        self.spawn([PROGRAMS / "kubelet", "--config", self.directory / "kubelet.json", "--kubeconfig", kubeconfig(),
                    "--root-dir", self.directory / "kubelet", "--hostname-override", self.name, "--node-ip", self.address])

    def _start_proxy(self):
        (self.directory / "proxy.json").write_text(json.dumps({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig())}, "clusterCIDR": "10.244.0.0/16", "hostnameOverride": self.name,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nodePortAddresses": ["primary"]}))
        self.spawn([PROGRAMS / "kube-proxy", "--config", self.directory / "proxy.json"])


def kubeconfig():
    return LAB_DIR / "kubeconfig"


class Cluster:
    """The machines of the drawing above, and the two commands with which it is used."""

    def __init__(self, images):
        """`images`: for each an archive, and where it is to have more names, the one that it has and those."""
        self.lan, self.site_lan = Node("lan"), Node("site-lan")
        for switch in (self.lan, self.site_lan):
            switch.run("ip link add lan type bridge")
            switch.run("ip link set lan up")
        self.machines = [Machine("node-a", 1), Machine("node-b", 2)]
        self.a, self.b = self.machines
        for machine in self.machines:
            machine.connect(self.lan, self.site_lan)
        for machine, other in ((self.a, self.b), (self.b, self.a)):
            machine.run(f"ip route add {other.pods}.0/24 via {other.address}")
        self.alice, self.bob, self.site = (self._host(*host) for host in (
            ("alice", self.lan, f"{OUTSIDE}.10"), ("bob", self.lan, f"{OUTSIDE}.11"), ("site", self.site_lan, SITE)))
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(self._start_control_plane), *(pool.submit(machine.take, images) for machine in self.machines)]:
                done.result()
        for machine in self.machines:
            machine.join()
        self.a.spawn(["/usr/bin/python3", pathlib.Path(__file__).with_name("dns.py"), self.a.address, SERVER, ADMIN])
        nodes = ("node/node-a", "node/node-b")
        for awaited in ("serviceaccount/default", *nodes):
            self.wait("--for=create", awaited)
        self.wait("--for=condition=Ready", *nodes)

    @staticmethod
    def _host(name, switch, address):
        host = Node(name)
        link(switch, name, [], host, "eth0", [f"{address}/24"])
        switch.run(f"ip link set {name} master lan")
        return host

    def _start_control_plane(self):
        directory = self.a.directory
        (directory / "tokens.csv").write_text(f"{ADMIN},admin,admin,system:masters\n")
        self.a.run(["openssl", "genrsa", "-out", directory / "accounts.key", "2048"])
        kubeconfig().write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {"server": SERVER, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": ADMIN}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}]}))
        self.a.spawn(["etcd", "--data-dir", LAB_DIR / "etcd"])
        self.a.spawn([PROGRAMS / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--allow-privileged",
                      "--service-cluster-ip-range=10.96.0.0/16", f"--advertise-address={self.a.address}",
                      f"--token-auth-file={directory}/tokens.csv", "--authorization-mode=AlwaysAllow",
                      f"--cert-dir={directory}/certificates", "--service-account-issuer=https://kubernetes.default.svc",
                      f"--service-account-key-file={directory}/accounts.key",
                      f"--service-account-signing-key-file={directory}/accounts.key",
                      "--kubelet-preferred-address-types=InternalIP"])
        ask = ["curl", "--silent", "--insecure", "--fail", "--header", f"Authorization: Bearer {ADMIN}", f"{SERVER}/readyz"]
        wait_until("the API server is ready", lambda: self.a.run(ask, ok=False).returncode == 0, 240)
        self.a.spawn([PROGRAMS / "kube-controller-manager", f"--kubeconfig={kubeconfig()}", "--leader-elect=false",
                      f"--service-account-private-key-file={directory}/accounts.key"])
        self.a.spawn([PROGRAMS / "kube-scheduler", f"--kubeconfig={kubeconfig()}", "--leader-elect=false"])

    def kubectl(self, *words, stdin=None, seconds=120, ok=True):
        return self.a.run([TOOLS / "kubectl", f"--kubeconfig={kubeconfig()}", f"--cache-dir={LAB_DIR}/kubectl", *words],
                          stdin=stdin, seconds=seconds, ok=ok)

    def helm(self, *words, seconds=180, ok=True):
        return self.a.run([TOOLS / "helm", f"--kubeconfig={kubeconfig()}", *words], env={"HOME": str(LAB_DIR)}, seconds=seconds, ok=ok)

    def shell(self, command):
        """What a person types who has this repository and the rights of the cluster's admin; gives the output."""
        desk = LAB_DIR / "desk"
        desk.mkdir(exist_ok=True)
        if not (desk / "deploy").exists():
            (desk / "deploy").symlink_to(SOURCE_DIR / "deploy")
        environment = {"HOME": str(desk), "KUBECONFIG": str(kubeconfig()), "PATH": f"{TOOLS}:/usr/bin:/bin"}
        return self.a.run(["sh", "-ec", f"cd {desk}; {command}"], env=environment, seconds=300)

    def wait(self, *words):
        """`kubectl wait`, which is told of what happens."""
        self.kubectl("wait", *words, f"--timeout={LIMIT_S}s", seconds=LIMIT_S + 20)

    def wait_until_gone(self, pods):
        """Until nothing of these pods is left on the machines: what is answered then, others answer."""
        for pod in pods:
            [machine] = [machine for machine in self.machines if machine.name == pod["spec"]["nodeName"]]
            wait_until(f"{pod['metadata']['name']} has ended", lambda: not machine.has(pod["status"]["podIP"]), LIMIT_S)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def apply(self, *objects):
        self.kubectl("apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def state(self):
        """What an operator would look at first."""
        return "\n".join(self.kubectl(*words, ok=False).stdout for words in (
            ("get", "pods,pvc,svc", "--all-namespaces", "--output=wide"), ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--selector=enabler=vpn", "--tail=20", "--prefix", "--all-containers")))
