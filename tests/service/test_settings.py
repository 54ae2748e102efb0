"""pentrap.toml and the environment: what is taken, and how mistakes are told."""

from pathlib import Path

import pytest

from collector.ground.errors import ConfigurationError, Problem
from collector.service.settings import load


def write(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "pentrap.toml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[Problem]:
    """What is wrong with a file."""
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text), environment or {})
    return caught.value.problems


def test_the_committed_settings_are_good_and_are_the_defaults(tmp_path: Path) -> None:
    """config/pentrap.toml loads, and says no more than an empty file would mean, but for the listeners."""
    committed = load(Path("config/pentrap.toml"), {})
    empty = load(write(tmp_path, ""), {})
    assert (
        committed.intake.model_copy(update={"listen": empty.intake.listen, "default_answer": {}})
        == empty.intake
    )
    assert (committed.segments, committed.manage, committed.pull, committed.export) == (
        empty.segments,
        empty.manage,
        empty.pull,
        empty.export,
    )
    assert committed.default_answer == empty.default_answer


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """Values are TOML, else text; what Kubernetes injects under our prefix is ignored."""
    environment = {
        "PENTRAP_DATA_DIR": "/somewhere/else",
        "PENTRAP_SENSOR": "edge-7",
        "PENTRAP_INTAKE__WORKERS": "3",
        "PENTRAP_INTAKE__LISTEN": '["udp://[::]:53"]',
        "PENTRAP_MANAGE__LISTEN": "127.0.0.1:1",
        "PENTRAP_SERVICE_HOST": "10.0.0.1",
        "PENTRAP_PORT": "tcp://10.0.0.1:80",
        "PENTRAP_NOSUCH__KEY": "1",
    }
    settings = load(write(tmp_path, 'sensor = "from-file"'), environment)
    assert (settings.data_dir, settings.sensor, settings.intake.workers) == (
        Path("/somewhere/else"),
        "edge-7",
        3,
    )
    assert (settings.intake.listen, settings.manage.listen) == (["udp://[::]:53"], "127.0.0.1:1")
    assert "PENTRAP_PORT" not in settings.overrides


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    """data_dir and operations are beside the settings, wherever the command is run."""
    (tmp_path / "operations").mkdir()
    (tmp_path / "operations" / "b.toml").touch()
    (tmp_path / "operations" / "a.toml").touch()
    settings = load(write(tmp_path, 'data_dir = "d"'), {})
    assert settings.data_dir == tmp_path / "d"
    assert [path.name for path in settings.operation_files()] == ["a.toml", "b.toml"]


@pytest.mark.parametrize(
    ("text", "place", "found", "remedy"),
    [
        ("sensor = 'UPPER'", "sensor", "UPPER", "correct"),
        ("[intake]\nworker = 2", "[intake] worker", "unknown key", "write workers"),
        ("[intake]\nworkers = -1", "[intake] workers", "-1", "correct"),
        ("[intake]\nlisten = ['tcp://127.0.0.1']", "[intake] listen", "", "correct"),
        ("[intake]\nlisten = ['http://127.0.0.1:80']", "[intake] listen", "", "correct"),
        ("[intake]\ndurability = 'none'", "[intake] durability", "none", "correct"),
        (
            "[intake]\nproxy_protocol_from = ['10.0.0.1/8']",
            "[intake] proxy_protocol_from",
            "10.0.0.1/8",
            "correct",
        ),
        (
            "[intake.default_answer]\nheader = 'Location: http://x'",
            "[intake.default_answer] header",
            "Location",
            "remove",
        ),
        ("[manage]\nlisten = '0.0.0.0:9464'", "[manage] listen", "0.0.0.0:9464", "token_file"),
        ("[export]\nat = '25:00'", "[export] at", "25:00", "correct"),
        ("[export]\nstore = 's3://x'", "[export] store", "s3://x", "correct"),
        ("a = = 1", "line 1", "Invalid", "syntax"),
    ],
)
def test_each_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, place: str, found: str, remedy: str
) -> None:
    """File, place, found, expected and remedy, all filled in."""
    (problem,) = problems(tmp_path, text)
    assert problem.file.endswith("pentrap.toml")
    assert place in problem.place
    assert found in problem.found
    assert problem.expected
    assert remedy in problem.remedy


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """An operator corrects the file once, not seven times."""
    assert (
        len(
            problems(
                tmp_path,
                "data_dirr = 'x'\n[intake]\nworkers = 'x'\n[segments]\nseal = 1\n[manage]\nlisten = 'x'",
            )
        )
        == 4
    )


def test_a_missing_file_is_a_problem_like_any_other(tmp_path: Path) -> None:
    """No traceback: the file, and what to do."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "absent.toml", {})
    assert "--config" in caught.value.problems[0].remedy
