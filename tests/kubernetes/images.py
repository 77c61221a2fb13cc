"""Container images made without a registry: directories become OCI archives that `ctr images import` takes."""

import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = HERE.parents[1]
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


def archive(target, name, root, **config):
    """Writes an image of one layer, the directory `root`, with that name to the file `target`."""
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name)
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    with tarfile.open(target, "w") as tar:
        layer_of_image = _blob(tar, layer.read_bytes(), "application/vnd.oci.image.layer.v1.tar")
        settings = {"architecture": ARCHITECTURE[machine], "os": "linux", "config": config,
                    "rootfs": {"type": "layers", "diff_ids": [layer_of_image["digest"]]}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": _blob(tar, _json(settings), "application/vnd.oci.image.config.v1+json"), "layers": [layer_of_image]}
        entry = _blob(tar, _json(manifest), manifest["mediaType"])
        entry["annotations"] = {"io.containerd.image.name": name}
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
    layer.unlink()
    return target


def _json(value):
    return json.dumps(value).encode()


def _blob(tar, data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    _add(tar, f"blobs/sha256/{digest}", data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _add(tar, name, data):
    information = tarfile.TarInfo(name)
    information.size = len(data)
    tar.addfile(information, io.BytesIO(data))


def copy_with_libraries(root, *programs):
    """Puts programs of this machine under `root`, each a (source, place) pair, with the shared libraries that they load."""
    for source, place in programs:
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        linked = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", linked, re.MULTILINE):
            place_of_library = root / library.lstrip("/")
            place_of_library.parent.mkdir(parents=True, exist_ok=True)
            if not place_of_library.exists():
                shutil.copy(library, place_of_library)


def pause(directory):
    """What holds a pod's namespaces: a process that waits."""
    root = directory / "pause"
    root.mkdir()
    source = "#include <signal.h>\n#include <unistd.h>\nint main(void) { signal(SIGTERM, _exit); pause(); }\n"
    subprocess.run(["cc", "-O2", "-static", "-x", "c", "-", "-o", root / "pause"], input=source, text=True, check=True)
    return archive(directory / "pause.tar", "localhost/pause:1", root, Entrypoint=["/pause"])


def mongo(directory, name):
    """mongod behind an entry point that does what the official image's does with its two variables."""
    root = directory / "mongo"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = pathlib.Path(f"/usr/lib/{version}")
    copy_with_libraries(root, (SOURCE_DIR / "build/servers/mongod/bin/mongod", "/usr/bin/mongod"),
                        (f"/usr/bin/{version}", "/usr/bin/python3"))
    shutil.copytree(library, root / str(library).lstrip("/"), ignore=shutil.ignore_patterns("__pycache__", "test", "*-packages"))
    shutil.copy(HERE / "mongo_entrypoint.py", root / "usr/bin/entrypoint")
    for place in ("tmp", "data/db"):
        (root / place).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    return archive(directory / "mongo.tar", name, root, Env=["PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
                   Entrypoint=["python3", "/usr/bin/entrypoint"])
