"""A real S3 server for the tests: versitygw, a gateway onto a folder, built like the control plane (testbed/)."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3

from testbed.build import cache_folder
from testbed.recipe import recipe

ACCESS, SECRET, REGION = "tests", "secret-of-the-tests", "us-east-1"
_START = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where it listens, and the folder that it is a gateway onto."""

    url: str
    root: Path

    def environment(self) -> dict[str, str]:
        """Return the SDK's settings for this server."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.url,
        }

    def bucket(self) -> str:
        """Make a bucket; needs the environment."""
        name = f"tests-{uuid.uuid4().hex}"
        boto3.client("s3").create_bucket(Bucket=name)
        return name


@contextlib.contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server with its data below `folder`."""
    binary = cache_folder(os.environ, recipe(os.environ.get("TESTBED_KUBERNETES", ""))) / "versitygw"
    root, beside = folder / "buckets", folder / "metadata"
    root.mkdir()
    beside.mkdir()
    address = f"127.0.0.1:{_free_port()}"
    command = [str(binary), "--access", ACCESS, "--secret", SECRET, "--region", REGION, "--port", address]
    command += [
        "--quiet",
        "--health",
        "/health",
        "posix",
        "--sidecar",
        str(beside),
        str(root),
    ]  # not every folder has xattrs
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(process, address, folder / "log")
        yield S3Server(f"http://{address}", root)
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _START
    while not _healthy(address):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.05)


def _healthy(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
