"""What stands between Falco and the broker: alerts in, kept on the disk until the broker has them.

    door     -> intake -> spool    an alert is acknowledged once it is on the disk: http_output, webhook, CloudEvents
    lines    -> intake -> spool    standard input, or a file that Falco writes (tail)
    spool    -> sender -> broker   the most urgent first, then the oldest, until the broker says 2xx
    window                         repeats of (rule, pod) are counted, and the last of them is sent

State of one alert in the spool (SQLite):

    waiting --(2xx)--> gone
       |  ^--(no answer, 401, 403, 404, 408, 409, 429, 5xx, ...: next try)
       +--(400, 413, 422: this request itself is wrong)--> rejected: kept, told, and the first to go when room is short
       +--(the spool is full, and something more urgent came)--> dropped: counted, told as an event of its own

It knows nothing of Kubernetes and needs no right there: it runs beside Falco, in its pod or on a bare host.
"""
