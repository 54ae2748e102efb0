"""An officer's session sees one order's rows and nothing else of the machine (law.md L-20a)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from collectors import PENTRAP

sys.path.insert(0, str(Path(__file__).parent.parent / "custody"))
sys.path.insert(0, str(Path(__file__).parent.parent / "segments"))

import contextlib

import segment_world
from custody_world import World
from segment_world import NOON_US, pack

from collector.custody.views import OrderSession, StatementError
from collector.segments.write import write_segments

HOSTILE = """
select * from read_csv('/etc/passwd')
select * from read_text('/etc/passwd')
select * from read_blob('{file}')
select * from read_json('/etc/passwd')
select * from read_parquet('{file}')
select * from '{file}'
from parquet_metadata('{file}')
from parquet_kv_metadata('{file}')
from sniff_csv('/etc/passwd')
from glob('/etc/*')
select getenv('HOME')
copy (select 1) to '{out}'
copy events to '{out}' (format parquet)
attach '{out}' as other
install httpfs
load httpfs
load '{file}'
set memory_limit = '100GB'
set enable_external_access = true
set lock_configuration = false
reset lock_configuration
pragma temp_directory = '{out}'
pragma enable_profiling = 'json'
pragma profiling_output = '{out}'
export database '{out}'
import database '/tmp'
create table copy_of as select * from events
create or replace view events as select 1 as x
create temp view mine as select 1
create secret s (type s3)
create macro f() as table select * from '{file}'
drop view events
insert into events values (1)
update events set src_ip = ''
delete from events
call enable_logging()
call pragma_version()
prepare p as select 1
execute p
checkpoint
vacuum
use memory
from duckdb_secrets()
from duckdb_extensions()
explain analyze copy (select 1) to '{out}'
explain copy (select 1) to '{out}'
select * from secret_variable
from python_arrow_scan()
from arrow_scan(1::bigint, 2::bigint, 3::bigint)
from pandas_scan(1)
from json_execute_serialized_sql(json_serialize_sql('from read_text(''/etc/passwd'')'))
from query('copy (select 1) to ''{out}''')
from query_table('{file}')
select 1; copy (select 1) to '{out}'
select content from read_text(['{file}'])
from st_read('/etc/passwd')
from create_external_resource('x')
from sqlite_scan('{file}', 'x')
from postgres_scan('', '', '')
from iceberg_scan('/tmp')
from delta_scan('/tmp')
from 'https://example.com/x.parquet'
""".strip().splitlines()
secret_variable = [1]  # what a replacement scan would find


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def world(tmp_path, rules):
    return World(tmp_path / "house", rules)


@pytest.fixture
def rows(world):
    """Two orders in one file, another order in another."""
    world.write(0, [0, 2, 0, 2, 0])
    world.write(5, [2, 2])
    world.write(7, [0, 0], day=1)
    with OrderSession(world.data, "avalanche-1", 128) as session:
        yield session


def ask(session, statement):
    return list(session.ask(statement))


def ask_all(session, text):
    return [ask(session, statement) for statement in session.statements(text)]


@pytest.mark.parametrize("statement", HOSTILE)
def test_l20a_no_statement_reaches_beyond_the_views(rows, world, tmp_path, statement):
    """Files, network, settings, extensions, Python's variables: each refused, nothing written, the views as before."""
    file = world.data / world.segments()[0]
    out = tmp_path / "out"
    text = statement.format(file=file, out=out)
    if text.startswith("explain copy") or text == "from duckdb_secrets()":
        with contextlib.suppress(StatementError):
            ask(rows, text)
    else:
        with pytest.raises(StatementError):
            ask_all(rows, text)
    assert not out.exists()
    assert ask(rows, "select count(*) from events") == [(5,)]


@pytest.mark.parametrize(
    "condition",
    [
        "true", "order_id = 'zero-1'", "order_id <> 'avalanche-1'", "order_id in ('zero-1', 'avalanche-2')",
        "order_id = 'zero-1' or src_port > 0", "order_id is null or true", "not (order_id = 'avalanche-1')",
        "timestamp < '2030-01-01' or order_id = 'zero-1'", "family like 'zero%'", "order_id >= 'b'",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["events", "order_rows", "hosts"])
def test_l20a_no_condition_reaches_another_orders_rows(rows, name, condition):
    """Whatever filter DuckDB hands down to Arrow is joined with the order's, never put in its place."""
    if name == "hosts":
        condition = condition.replace("timestamp", "first_seen")
    found = ask(rows, f"select distinct order_id from {name} where {condition}")
    assert found in ([], [("avalanche-1",)])


def test_l20a_what_is_set_aside_or_deleted_is_not_shown(world):
    """Segments stand in their folder or they are not read."""
    segment = world.write(0, [0])
    world.write(1, [0, 0])
    target = segment.path_aside(world.data)
    target.parent.mkdir(parents=True)
    segment.path(world.data).rename(target)
    with OrderSession(world.data, "avalanche-1", 128) as session:
        assert ask(session, "select count(*) from events") == [(2,)]


def test_l20a_an_order_without_rows_is_an_empty_view(world):
    """No file at all, and no row of the order, are answers of no rows."""
    with OrderSession(world.data, "avalanche-1", 128) as session:
        assert ask(session, "select * from events") == []
        assert session.newest() == ""
    world.write(0, [2])
    with OrderSession(world.data, "avalanche-2", 128) as session:
        assert ask(session, "select * from hosts") == []


def test_l20a_a_question_about_an_hour_opens_its_day_only(world):
    """A file of another day may be unreadable: the folder's day is a guarantee, so it is never opened."""
    world.write(0, [0, 0])
    other = world.write(2, [0], day=1)
    other.path(world.data).write_bytes(b"no parquet")
    with OrderSession(world.data, "avalanche-1", 128) as session:
        assert ask(session, "select count(*) from events where timestamp < '2026-11-22 23:00:00'") == [(2,)]
        with pytest.raises(StatementError):
            ask(session, "select count(*) from events")


def test_l20a_hosts_is_the_contracts_dataset(world, monkeypatch):
    """One row per host and day, held against a plain loop; in UTC whatever the machine's zone is."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    moments = [0, 1, 1, 3_600_000_000, 43_199_999_999, 43_200_000_000, 50_000_000_000]
    records = [
        pack(
            time_us=NOON_US + moment,
            order=0,
            src_port=40_000 + number % 3,
            src=bytes(12) + bytes([1, 2, 3, number % 2]),
        )
        for number, moment in enumerate(moments)
    ]
    write_segments(world.data, b"".join(records), 0, "sinkhole-1.0.1795305600000000", world.rules)
    with OrderSession(world.data, "avalanche-1", 128) as session:
        answer = session.ask("select * from hosts")
        hosts = [dict(zip(answer.columns, row, strict=True)) for row in answer]
        events_answer = session.ask("select * from events order by timestamp, stream, record")
        events = [dict(zip(events_answer.columns, row, strict=True)) for row in events_answer]
    assert len(events) == len(moments)
    groups = defaultdict(list)
    for event in events:
        groups[event["timestamp"][:10], event["src_ip"]].append(event)
    expected = {
        key: {
            "check_ins": len(own), "first_seen": own[0]["timestamp"], "last_seen": own[-1]["timestamp"],
            "active_hours": len({event["timestamp"][:13] for event in own}),
            "src_ports": len({event["src_port"] for event in own}),
            "domains": len({event["domain"] for event in own} - {None}),
            "src_port": own[-1]["src_port"], "dst_ip": own[-1]["dst_ip"], "domain": own[-1]["domain"],
        }
        for key, own in groups.items()
    }  # fmt: skip
    found = {
        (host["day"], host["src_ip"]): {name: host[name] for name in next(iter(expected.values()))}
        for host in hosts
    }
    assert found == expected
    monkeypatch.delenv("TZ")
    time.tzset()


def test_l20a_too_little_memory_is_said_and_spills_nothing(world):
    """A question beyond the limit fails with the remedy, and no temporary file appears anywhere below the data directory."""
    world.write(0, [0])
    before = sorted(world.folder.rglob("*"))
    with OrderSession(world.data, "avalanche-1", 64) as session:
        with pytest.raises(StatementError, match="memory-mb"):
            ask(
                session,
                "select count(*) from (select distinct hash(range), range::varchar || 'x' from range(30000000))",
            )
        assert ask(session, "select count(*) from events") == [(1,)]
    assert sorted(world.folder.rglob("*")) == before


def command(world):
    """A reading's command, as far as every one of them goes."""
    where = ["--config", str(world.config), "--order", "avalanche-1", "--reason", "why not"]
    return [str(PENTRAP), "open", *where]


def opened(world, *options, **streams):
    return subprocess.Popen([*command(world), *options], text=True, **streams)


LONG = "select count(*) from range(100000) a, range(10000000) b where hash(a.range, b.range) = 1"


def wait_for_opening(world, count=1):
    until = time.monotonic() + 20
    while len(world.entries("access_opened")) < count and time.monotonic() < until:
        time.sleep(0.05)


def test_l20a_a_reading_is_entered_before_its_first_row(world):
    """Who, why and which order stand in the log when rows come out, and the duration when they have; JSON is JSON."""
    world.write(0, [0, 2])
    process = opened(
        world, "--json", "-c", "select * from events", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert [row["order_id"] for row in json.loads(out)] == ["avalanche-1"]
    [begun], [ended] = world.entries("access_opened"), world.entries("access_closed")
    assert begun.facts["reason"] == "why not"
    assert begun.facts["session"] == ended.facts["session"]
    assert begun.facts["session"] in err
    assert ended.facts["end"] == "closed"
    assert ended.facts["statements"] == 1
    assert 0 < ended.facts["duration_us"] < 30_000_000


def test_l20a_json_loses_no_column_and_is_json(world):
    """Columns of one name are told apart without touching others' names; numbers that JSON has not are texts."""
    world.write(0, [0])
    statement = (
        "select 1 as a, 2 as a, 3 as a_1, 4 as a, 'nan'::double as n, '-inf'::float as m, 1.5::double as x"
    )
    process = opened(world, "--json", "-c", statement, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    [row] = json.loads(out, parse_constant=refuse)
    assert row == {"a": 1, "a_2": 2, "a_1": 3, "a_3": 4, "n": "NaN", "m": "-Infinity", "x": 1.5}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_l20a_bytes_that_are_no_text_are_told_wherever_they_come_from(world, locale):
    """In -c, in another option, or in a script, whose other statements are answered: 2, and no traceback."""
    world.write(0, [0])
    for more, script in (
        (["-c", b"select '\xff'"], b""),
        (["--order", b"\xff", "-c", "select 1"], b""),
        ([], b"select 1 as n;\nselect '\xff';\nselect 2 as n;\n"),
    ):
        done = subprocess.run(
            [*command(world), *more],
            input=script,
            capture_output=True,
            check=False,
            timeout=30,
            env=os.environ | {"LC_ALL": locale},
        )
        assert done.returncode == 2
        assert b"no UTF-8" in done.stderr
        assert b"Traceback" not in done.stderr
        assert done.stdout == (b"n\n1\nn\n2\n" if script else b"")


def test_l20a_without_an_entry_nothing_is_read(world):
    """Where the log cannot be written, no row comes out."""
    world.write(0, [0])
    world.log.close()
    (world.data / "audit/log.jsonl").chmod(0o400)
    path = world.data / "audit/log.jsonl"
    path.rename(path.with_name("kept"))
    path.mkdir()
    process = opened(
        world, "--csv", "-c", "select * from events", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_l20a_a_signal_ends_the_reading_and_its_end_is_entered(world, number):
    """Ctrl-C, SIGTERM, a terminal that is gone, in the middle of a long question: closed, with its duration, at once."""
    world.write(0, [0])
    process = opened(world, "-c", LONG, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_opening(world)
    time.sleep(1.0)
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert time.monotonic() - began < 10
    [ended] = world.entries("access_closed")
    assert ended.facts["end"] == "closed"
    assert ended.facts["duration_us"] >= 500_000


def test_l20a_a_killed_reading_is_closed_as_of_unknown_end(world):
    """After kill -9 the next command enters that the end is not known; one that still runs is left alone."""
    world.write(0, [0])
    killed = opened(world, "-c", LONG, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_opening(world)
    killed.kill()
    killed.wait(10)
    running = opened(world, "-c", LONG, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_opening(world, 2)
    [ended] = world.entries("access_closed")
    assert (ended.facts["end"], ended.facts["duration_us"]) == ("unknown", None)
    subprocess.run(
        [str(PENTRAP), "hold", "--config", str(world.config)], check=True, timeout=30, capture_output=True
    )
    assert len(world.entries("access_closed")) == 1
    running.kill()
    running.wait(10)


def test_l20a_an_unknown_order_is_told_which_there_are(world):
    """A wrong id names those that exist, and enters nothing."""
    command = [
        str(PENTRAP),
        "open",
        "--config",
        str(world.config),
        "--order",
        "avalanch",
        "--reason",
        "x",
        "-c",
        "from events",
    ]
    done = subprocess.run(command, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "avalanche-1 (avalanche, 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z)" in done.stderr
    assert not world.entries("access_opened")


def test_l20a_the_prompts_history_is_in_memory_only(world, tmp_path):
    """A session at a terminal leaves no file in the officer's home: its lines hold addresses."""
    world.write(0, [0])
    home = tmp_path / "home"
    home.mkdir()
    command = [str(PENTRAP), "open", "--config", str(world.config), "--order", "avalanche-1", "--reason", "x"]
    typed = "select src_ip\n from events;\n.lines\nselect 1;\n.quit\n"
    done = subprocess.run(
        ["script", "-qec", " ".join(command), "/dev/null"], input=typed, text=True, capture_output=True, timeout=40,
        check=False, env=os.environ | {"HOME": str(home)},
    )  # fmt: skip
    assert "192.0.2.1" in done.stdout
    assert "(1 row)" in done.stdout
    assert list(home.rglob("*")) == []
    assert world.entries("access_closed")[0].facts["statements"] == 2
