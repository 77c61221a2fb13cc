#!/usr/bin/env python3
"""The container image, built by buildah from deploy/docker/Dockerfile over a Debian 12 of ours: no registry is asked.

    image.py ROOT DIRECTORY     ROOT: what root.py made. The image's root directory is left at DIRECTORY/image, its configuration
                                at DIRECTORY/config.json, what `docker save` would write at DIRECTORY/image.tar. As root

An image that was made of these very sources is not made again.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from root import check

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
BASE, IMAGE = "localhost/debian:12-slim", "localhost/vpn-enabler"
NOT_READ = {".git", ".cache", "build", "tests", "bench", "__pycache__", ".env"}  # as .dockerignore says
MAX_PACKED_MB, MAX_UNPACKED_MB = 60, 60  # over the base's own size
EXPECTED = {"Entrypoint": ["vpn-enabler"], "Cmd": ["serve"], "StopSignal": "SIGTERM",
           "Volumes": {"/var/lib/vpn-enabler": {}}, "ExposedPorts": {"51820/udp": {}, "3000/tcp": {}}}


class Buildah:
    """buildah with a store of its own, without overlays and without namespaces that a container could not make."""

    def __init__(self, directory):
        self._words = ["buildah", "--root", str(directory / "storage"), "--runroot", str(directory / "run"),
                       "--storage-driver", "vfs"]
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(directory / "tmp")}
        (directory / "tmp").mkdir(parents=True, exist_ok=True)

    def __call__(self, *arguments, quiet=True):
        done = subprocess.run([*self._words, *map(str, arguments)], env=self._environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE if quiet else None)
        if done.returncode != 0:
            sys.exit(f"FAILED: buildah {arguments[0]}: exit code {done.returncode}")
        return (done.stdout or "").strip()


def sources():
    """What tells two images apart: a digest of all that they are made of."""
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for directory, names, files in os.walk(SOURCE_DIR):
        names[:] = sorted(set(names) - NOT_READ)
        for path in (pathlib.Path(directory, name) for name in sorted(set(files) - NOT_READ)):
            digest.update(f"{path.relative_to(SOURCE_DIR)} {path.lstat().st_mode} {path.lstat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def import_base(buildah, root):
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, root, "/")
    buildah("commit", "--quiet", "--rm", container, BASE)


def build(buildah):
    buildah("build", "--format", "docker", "--layers=false", "--pull-never", "--build-arg", f"BASE={BASE}", "--tag", IMAGE,
            "--file", SOURCE_DIR / "deploy/docker/Dockerfile", SOURCE_DIR, quiet=False)


def root_of(buildah, image):
    return pathlib.Path(buildah("mount", buildah("from", "--pull-never", image)))


def unpacked_mb(directory):
    """What the files in it take where the image is unpacked."""
    files = {(status.st_ino, status.st_size) for path in directory.rglob("*") for status in [path.lstat()]}
    return sum(size for _, size in files) / 1e6


def packed_mb(buildah, directory):
    """What a registry keeps of the image's last layer, which is all that it has over its base, and a node downloads."""
    buildah("push", "--quiet", IMAGE, f"oci:{directory}")

    def blob(descriptor):
        return directory / "blobs" / descriptor["digest"].replace(":", "/")
    [manifest] = json.loads((directory / "index.json").read_text())["manifests"]
    _, layer = json.loads(blob(manifest).read_text())["layers"]
    return blob(layer).stat().st_size / 1e6


def check_configuration(config):
    for name, expected in EXPECTED.items():
        check(f"{name} is {expected}", config.get(name) == expected, config.get(name))
    check("it asks itself whether it is well", config["Healthcheck"]["Test"] == ["CMD", "vpn-enabler", "health"])
    check("the API is for every address", "API_ADDRESS=0.0.0.0" in config["Env"], config["Env"])
    labels = config["Labels"]
    check("it says what it is", labels["org.opencontainers.image.title"] == "vpn-enabler", labels)


def main(root, directory):
    made_of, stamp = sources(), directory / "sources"
    if stamp.exists() and stamp.read_text() == made_of:
        return print("the image of these sources is there")
    shutil.rmtree(directory, ignore_errors=True)
    buildah = Buildah(directory)
    import_base(buildah, root)
    build(buildah)
    config = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    check_configuration(config)
    (directory / "config.json").write_text(json.dumps(config))

    image, base = root_of(buildah, IMAGE), root_of(buildah, BASE)
    unpacked = unpacked_mb(image) - unpacked_mb(base)
    with tempfile.TemporaryDirectory(dir=directory) as place:
        packed = packed_mb(buildah, pathlib.Path(place))
    print(f"over its base the image takes {unpacked:.1f} MB unpacked, {packed:.1f} MB packed")
    check(f"at most {MAX_PACKED_MB} and {MAX_UNPACKED_MB}", packed <= MAX_PACKED_MB and unpacked <= MAX_UNPACKED_MB)
    (directory / "image").symlink_to(image)
    buildah("push", "--quiet", IMAGE, f"docker-archive:{directory}/image.tar:{IMAGE}")
    stamp.write_text(made_of)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
