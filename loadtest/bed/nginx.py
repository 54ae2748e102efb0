"""nginx as the yardstick: one worker, a buffered JSON access log with what a record holds, then Parquet by
DuckDB.

In its favour: no schedule, no window, no caps, no checksum, no durability (the log sits in a 64 KiB
buffer for up to a second), one file, no lookup of families; DuckDB writes the log's columns and nothing
else.
"""

import os
import subprocess
import sys
from pathlib import Path

from bed.process import Process, StartError
from bed.wrk import need, pinned

FLUSH_SECONDS = 1
CONF = """
user root;
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
error_log {directory}/error.log warn;
pid {directory}/nginx.pid;
events {{ worker_connections 8192; multi_accept on; }}
http {{
    log_format checkin escape=json '{{"t":$msec,"src_ip":"$remote_addr","src_port":$remote_port,'
        '"dst_ip":"$server_addr","dst_port":$server_port,"host":"$host","bytes_in":$request_length}}';
    access_log {directory}/access.json checkin buffer=64k flush={flush}s;
    server_tokens off;
    client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
    server {{
        listen 127.0.0.1:{port} backlog=4096 deferred;
        add_header X-Sinkhole malware;
        location / {{ return 200; }}
    }}
}}
"""
CONVERT = """
import duckdb, sys
log, target = sys.argv[1:]
con = duckdb.connect()
con.execute("set threads = 1")
con.execute(f\"\"\"
copy (
    select make_timestamp((t * 1000000)::bigint) as timestamp, src_ip, src_port, dst_ip, dst_port,
           'tcp' as transport, 'http' as application, host as domain, bytes_in
    from read_json('{log}', format = 'newline_delimited', columns = {{
        't': 'DOUBLE', 'src_ip': 'VARCHAR', 'src_port': 'INTEGER', 'dst_ip': 'VARCHAR',
        'dst_port': 'INTEGER', 'host': 'VARCHAR', 'bytes_in': 'BIGINT'}})
    order by timestamp
) to '{target}' (format parquet, compression zstd)\"\"\")
print(con.execute(f"select count(*) from '{target}'").fetchone()[0])
"""


def start(directory: Path, port: int, cpus: set[int]) -> Process:
    """Nginx with its configuration and log in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    conf = directory / "nginx.conf"
    conf.write_text(CONF.format(directory=directory, port=port, flush=FLUSH_SECONDS))
    (directory / "access.json").unlink(missing_ok=True)
    words = [need("nginx", "nginx-light"), "-p", str(directory), "-c", str(conf)]
    return Process(words, directory / "nginx.out", cpus)


def convert(directory: Path, cpus: set[int]) -> tuple[int, int]:
    """Turn the access log into Parquet: (rows, CPU time of the converting process in microseconds)."""
    target = directory / "events.parquet"
    child = subprocess.Popen(
        [sys.executable, "-c", CONVERT, str(directory / "access.json"), str(target)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(cpus),  # noqa: PLW1509
    )
    assert child.stdout is not None
    rows = child.stdout.read()
    _, status, use = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise StartError("DuckDB could not convert nginx's log")
    return int(rows), round((use.ru_utime + use.ru_stime) * 1e6)
