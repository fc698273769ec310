"""The bill of materials: CycloneDX 1.5 of the model and of the packages that explain it."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edgexai._version import VERSION

PACKAGES = ("numpy", "ai-edge-litert", "tflite-runtime", "flatbuffers", "paho-mqtt")


def bill_of_materials(model: str, sha256: str) -> dict[str, Any]:
    """A JSON object; the same for the same model and environment (no serial number, no time)."""
    parts: list[dict[str, Any]] = []
    for name in PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        parts.append({"type": "library", "name": name, "version": found, "purl": f"pkg:pypi/{name}@{found}"})
    parts.append({"type": "library", "name": "edgexai", "version": VERSION, "purl": f"pkg:pypi/edgexai@{VERSION}"})
    subject = {
        "type": "machine-learning-model",
        "name": model,
        "version": sha256[:12],
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": parts,
    }
