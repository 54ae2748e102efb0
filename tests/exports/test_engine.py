"""The engine: order kept whatever the filter, memory limited, errors in words."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.exports.engine import Engine, EngineError

SCHEMA = pa.schema([("place", pa.int64()), ("text", pa.string())])


@pytest.fixture
def engine(tmp_path):
    with Engine(tmp_path, 128, 1) as made:
        yield made


def test_rows_come_in_the_order_in_which_they_are_stored(engine, tmp_path):
    """A million rows in many row groups, filtered so that some groups are all but empty: never one before its turn."""
    chance = np.random.default_rng(1)
    table = pa.table(
        {"place": np.arange(1_000_000), "text": chance.integers(0, 9, 1_000_000).astype(str)}, schema=SCHEMA
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=20_000)
    engine.view("stored", [tmp_path / "rows.parquet"], SCHEMA)
    for predicate in ("true", "text = '3'", "text = '3' AND place % 100_000 < 30_000"):
        places = [
            batch.column(0).to_numpy()
            for batch in engine.stream(f"SELECT place FROM stored WHERE {predicate}")
        ]
        assert (np.diff(np.concatenate(places)) > 0).all()
    assert engine.rows("SELECT current_setting('threads')")[0][0] >= 2


def test_few_rows_at_a_files_end_are_not_kept_back(engine):
    """Files of two whole chunks and a short one, read by a list of texts that DuckDB would make a join of."""
    rows = 2 * 2048 + 60
    engine.stage(
        "pieces",
        [
            f"SELECT i AS place, 'family-' || (i % 5) AS text FROM range({n * rows}, {(n + 1) * rows}) r(i) ORDER BY i"
            for n in range(4)
        ],
    )
    listed = ", ".join(f"'family-{number}'" for number in range(5))
    batches = engine.stream(f"SELECT place FROM pieces WHERE text IN ({listed})")
    places = np.concatenate([batch.column(0).to_numpy() for batch in batches])
    assert (places == np.arange(4 * rows)).all()


def test_what_does_not_fit_is_spilled_and_comes_back_sorted(engine, tmp_path):
    """A sort of some 250 MB in 128 MB of memory."""
    engine.stage(
        "made",
        ["SELECT (i * 7919) % 4000037 AS place, repeat('x', 40) || i AS text FROM range(4_000_000) r(i)"],
    )
    engine.stage("sorted", ["SELECT * FROM made ORDER BY place"])
    places = np.concatenate(
        [batch.column(0).to_numpy() for batch in engine.stream("SELECT place FROM sorted")]
    )
    assert len(places) == 4_000_000
    assert (np.diff(places) >= 0).all()


def test_too_much_is_refused_in_words(tmp_path):
    """Neither memory nor temporary files are exceeded: the error says which setting allows more."""
    with Engine(tmp_path, 32, 1) as engine, pytest.raises(EngineError, match="memory_mb or temp_max_gb"):
        engine.rows("SELECT list(repeat('x', 1000) || i) FROM range(10_000_000) r(i)")


def test_a_file_that_is_gone_is_told(engine, tmp_path):
    """A segment that was moved meanwhile: run it again."""
    pq.write_table(pa.table({"place": [1], "text": ["x"]}, schema=SCHEMA), tmp_path / "rows.parquet")
    engine.view("stored", [tmp_path / "rows.parquet"], SCHEMA)
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(EngineError, match="run it again"):
        engine.rows("SELECT * FROM stored")


def test_no_files_are_no_rows(engine):
    """A day without a segment has columns all the same."""
    engine.view("stored", [], SCHEMA)
    assert engine.rows("SELECT count(*), count(text) FROM stored") == [(0, 0)]


def test_a_name_that_had_no_rows_can_be_given_some(engine, tmp_path):
    """What is named anew is what is read, in either turn."""
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"place": [1], "text": ["x"]}), path)
    for paths in ([], [path], [], [path]):
        engine.view("stored", paths, SCHEMA)
        assert engine.rows("SELECT count(*) FROM stored") == [(len(paths),)]


def test_a_statement_is_followed_while_it_runs_and_draws_nothing_of_its_own(engine, capfd, monkeypatch):
    """What is told lies between 0 and 1 and grows; it ends with the statement; DuckDB's own bar stays off."""
    monkeypatch.setattr("collector.exports.engine.FOLLOW_SECONDS", 0.005)
    told: list[float] = []
    with engine.followed(told.append):
        engine.rows("SELECT count(*) FROM range(3000000) a WHERE hash(a.range) % 7 = 1")
        engine.rows("SELECT count(*) FROM range(30000000) a WHERE hash(a.range) % 7 = 1")
    count = len(told)
    engine.rows("SELECT count(*) FROM range(3000000) a WHERE hash(a.range) % 7 = 1")
    assert len(told) == count > 0
    assert all(0 <= share <= 1 for share in told)
    said = capfd.readouterr()
    assert said.out + said.err == ""
