"""Bundles of evidence and the index that chains them: what the evidence function writes and `molt evidence` checks.

    bundles/<bundle>.tar.gz   one alert and one pod: what was there, a manifest with SHA-256 sums, the chain of custody
    index/<number>.json       one line of JSON for each bundle, chained by hashes; `cat index/*` is the whole index

Nothing that is there is ever written again. A folder and a bucket have the same layout, so that a copy of either can be
checked where it lies.
"""
