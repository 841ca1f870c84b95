"""`molt evidence list|show|verify`: what was kept, what is in it, and whether it is what was written."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from molt.cli.options import JsonOption, StateOption, folder
from molt.cli.output import EXIT_ABSENT, EXIT_NO, EXIT_USAGE, complain, say, show_json, show_table
from molt.evidence import audit
from molt.evidence.archive import Archive
from molt.evidence.bundle import Bundle, unpack
from molt.evidence.folder import Folder

StoreOption = Annotated[
    str, typer.Option("--store", help="file:///folder: a volume, or a copy of a bucket; else the local runtime's own.")
]


def listing(
    context: typer.Context, store: StoreOption = "", state: StateOption = None, json_: JsonOption = False
) -> None:
    """Show the index, one line for each bundle; `verify` checks it."""
    entries = audit.verify(_archive(context, store, state)).entries
    if json_:
        show_json([asdict(entry) | {"hash": entry.hash} for entry in entries])
    elif entries:
        columns = ("Bundle", "Pod", "Policy", "Alert", "Collected", "Bytes")
        rows = [
            (one.bundle, f"{one.namespace}/{one.pod}", one.policy, one.alert, one.at, str(one.size)) for one in entries
        ]
        show_table(columns, rows, "Evidence")
    else:
        say("No evidence was kept.")


def show(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="The bundle's id, or how it starts.")],
    file: Annotated[str, typer.Option("--file", help="Write this file of the bundle to standard output.")] = "",
    store: StoreOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Show who collected a bundle and why, what is in it and what is missing. Exit code 3: there is no such bundle.

    Exit code 1, and a word on standard error: it is not what the index says of it; `verify` looks at the index too.
    """
    archive = _archive(context, store, state)
    name = _name(archive, bundle)
    data = archive.file(name) or b""
    found = unpack(data)
    if file:
        _write(found, file)
    elif json_:
        show_json({"custody": found.custody, "manifest": found.manifest})
    else:
        _describe(found)
    if wrong := audit.problem(data, archive.entry(name)):
        complain(f"bundle {name} {wrong}")
        raise typer.Exit(EXIT_NO)


def verify(
    context: typer.Context,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="A hash of the index kept elsewhere, as the `anchor` of an event; may be repeated."),
    ] = None,
    store: StoreOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Check every bundle and the whole index. Exit code 1: something was altered, removed or added.

    Only an anchor shows that the end was cut off with its bundles, or that all was made anew from some line on.
    """
    found = audit.verify(_archive(context, store, state), anchor or ())
    findings = [asdict(finding) for finding in found.findings]
    if json_:
        show_json({"sound": found.sound, "bundles": len(found.entries), "head": found.head, "findings": findings})
    elif findings:
        show_table(("Where", "What"), [tuple(finding.values()) for finding in findings], "Not as it was written")
    else:
        say(
            f"{len(found.entries)} bundles and their index are as they were written. Anchor: {found.head or 'none yet'}"
        )
    if not found.sound:
        raise typer.Exit(EXIT_NO)


def _archive(context: typer.Context, store: str, state: Path | None) -> Archive:
    """Return the archive that the options name; complain and end with exit code 2 for a store that can be no folder.

    Exit code 3: there is none. The local runtime's own is made with the first bundle; a store that somebody names
    is one that he has.
    """
    if not store:
        return Archive(Folder(folder(context, state).evidence))
    try:
        found = Folder.at(store)
    except ValueError as error:
        complain(f"{error}; copy a bucket into a folder first, the layout is the same")
        raise typer.Exit(EXIT_USAGE) from None
    if not found.root.is_dir():
        complain(f"there is no folder {found.root}")
        raise typer.Exit(EXIT_ABSENT)
    return Archive(found)


def _name(archive: Archive, start: str) -> str:
    """Return the one bundle whose id starts so; complain and end with exit code 3 when there is not just one."""
    found = [name for name in archive.names() if name.startswith(start)]
    if len(found) != 1:
        complain(f"{len(found) or 'no'} bundles have an id that starts with {start}")
        raise typer.Exit(EXIT_ABSENT)
    return found[0]


def _write(bundle: Bundle, path: str) -> None:
    """Write a file as it is: whoever asks for one wants its bytes."""
    if path not in bundle.files:
        complain(f"no file {path} in the bundle")
        raise typer.Exit(EXIT_ABSENT)
    sys.stdout.buffer.write(bundle.files[path])
    sys.stdout.flush()


def _describe(bundle: Bundle) -> None:
    custody, manifest = bundle.custody, bundle.manifest
    pod, alert, policy = custody["pod"], custody["alert"], custody["policy"]
    say(f"Bundle {manifest.get('bundle')} of pod {pod.get('namespace')}/{pod.get('name')} (UID {pod.get('uid')})")
    say(f"Collected {custody['collectedAt']} by {custody.get('collector')} with {custody.get('tool')}")
    say(f"For alert {alert['id']} ({alert.get('rule')}), policy {policy['name']}, cluster {custody.get('cluster')}")
    files = [(one["path"], str(one["size"]), one.get("truncated", ""), one["sha256"]) for one in manifest["files"]]
    show_table(("Path", "Bytes", "Cut", "SHA-256"), files, "Files")
    if missing := bundle.missing:
        show_table(("What", "Why"), [(one.what, one.why) for one in missing], "Missing")
