"""Which extra of the distribution brings a package that is not here, by the name that is imported."""

BASE = {
    "ai_edge_litert": "ai-edge-litert",
    "flatbuffers": "flatbuffers",
    "numpy": "numpy",
    "paho": "paho-mqtt",
}
"""What edgexai itself requires; a node with tflite-runtime may lack the first two."""
EXTRAS = {
    "PIL": "convert",
    "matplotlib": "convert",
    "keras": "convert",
    "tensorflow": "convert",
    "rich": "convert",
    "cryptography": "commands",
    "google": "sparkplug",
    "amqtt": "fleet",
    "deltalake": "fleet",
    "duckdb": "fleet",
    "pyarrow": "fleet",
    "starlette": "fleet",
    "uvicorn": "fleet",
    "h5py": "fleet",
    "pyspark": "spark",
    "mlxtend": "demo",
    "weasyprint": "audit",
    "skimage": "examples",
    "pydicom": "examples",
    "zennit": "bench",
    "torch": "bench",
}


def how_to_install(module: str | None) -> str:
    """What to write for a module that cannot be imported."""
    package = (module or "").partition(".")[0]
    if package in BASE:
        return f"pip install {BASE[package]}"
    if package in EXTRAS:
        return f"pip install 'edgexai[{EXTRAS[package]}]'"
    return f"pip install {package}"
