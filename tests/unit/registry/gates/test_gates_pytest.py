"""The gates as tests of people's own pipelines: pytest runs in pytest, on a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.stores import LayoutStore
from tests.components.packages import credit_package, credit_table

pytest_plugins = ["pytester"]

POLICY = """\
format: 1
change: {roles: {legal: 1}}
services:
  credit:
    gates: {documentation: {required: [purpose]}, size: {megabytes: 5}, quality: {metrics: {auc: {minimum: 0.6}}}}
    approvals: {roles: {legal: 1}}
"""
GATES = "policy: policy.yaml\nservice: credit\nstore: store\ndocuments: documents.yaml\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one package."""
    directory = tmp_path_factory.mktemp("packages") / "store"
    LayoutStore(directory).push(credit_package())
    return directory


@pytest.fixture
def pipeline(pytester: pytest.Pytester, store: Path) -> pytest.Pytester:
    """A pipeline's own directory."""
    (pytester.path / "store").symlink_to(store)
    (pytester.path / "policy.yaml").write_text(POLICY)
    (pytester.path / "documents.yaml").write_text("purpose: Whether a consumer loan goes bad.\n")
    (pytester.path / "gates.yaml").write_text(GATES)
    return pytester


def run(pipeline: pytest.Pytester, *more: str) -> pytest.RunResult:
    """With the plugin, and the package by option."""
    return pipeline.runpytest_inprocess(
        "-p",
        "registry.pytest_gates",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "--affiant-digest",
        credit_package().digest,
        *more,
    )


def test_each_gate_is_a_test_and_a_failure_says_why(pipeline: pytest.Pytester) -> None:
    """Two pass; quality has no hold-out, and what cannot run has failed. No traceback of ours."""
    result = run(pipeline, "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*gates.yaml::documentation PASSED*", "*gates.yaml::size PASSED*", "*gates.yaml::quality FAILED*"]
    )
    result.stdout.fnmatch_lines(["gate quality: could not run: CannotJudge: no hold-out was given"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_gates_that_need_the_log_or_the_monitor_fail_and_say_where_they_run(
    pipeline: pytest.Pytester,
) -> None:
    """Also with a hold-out: what could not be judged has not passed."""
    policy = POLICY.replace("documentation: {required: [purpose]}", "lineage: {}, drift: {}")
    (pipeline.path / "policy.yaml").write_text(policy)
    credit_table().frame.to_csv(pipeline.path / "holdout.csv", index=False)
    (pipeline.path / "gates.yaml").write_text(GATES + "holdout: holdout.csv\n")
    result = run(pipeline)
    result.assert_outcomes(passed=2, failed=2)
    by = "run it by `affiant gate run`"
    result.stdout.fnmatch_lines_random([
        f"gate lineage: could not run: CannotJudge: nobody said which data is deprecated: {by}, with settings that *",
        f"gate drift: could not run: CannotJudge: nobody handed down how distances are measured: {by}",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_gate_can_be_chosen_by_name(pipeline: pytest.Pytester) -> None:
    """And a file by its own."""
    (pipeline.path / "gates.yaml").rename(pipeline.path / "credit.gates.yaml")
    run(pipeline, "-k", "size").assert_outcomes(passed=1, deselected=2)


def test_the_fixture_gives_the_whole_report(pipeline: pytest.Pytester) -> None:
    """For a test of one's own."""
    pipeline.makepyfile(
        test_mine="""
        from pathlib import Path

        def test_what_we_allow(affiant_gates):
            report = affiant_gates(Path(__file__).parent / "gates.yaml")
            assert [each.verdict for each in report.results] == ["passed", "passed", "failed"]
            assert not report.passed
        """
    )
    run(pipeline, "test_mine.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GATES.replace("credit", "loans"), "the policy has no service 'loans'; it has credit"),
        (GATES + "hold_out: x.csv\n", "gates.yaml:hold_out: Extra inputs are not permitted"),
        (GATES.replace("policy.yaml", "absent.yaml"), "cannot read"),
        ("- a list\n", "is not a mapping in YAML"),
        ("{", "is not a mapping in YAML"),
    ],
)
def test_a_wrong_file_is_an_error_and_no_test_passes(
    pipeline: pytest.Pytester, content: str, said: str
) -> None:
    """Never an empty, green run."""
    (pipeline.path / "gates.yaml").write_text(content)
    result = run(pipeline)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{said}*"])


def test_a_package_that_is_not_there_fails_every_gate(pipeline: pytest.Pytester) -> None:
    """Also without any digest."""
    for options, said in (
        (["--affiant-digest", f"sha256:{'ab' * 32}"], "gate size: *"),
        ([], "gate size: *there is no digest, and --affiant-digest was not given"),
    ):
        result = pipeline.runpytest_inprocess(
            "-p", "registry.pytest_gates", "-p", "no:cacheprovider", "-p", "no:asyncio", *options
        )
        result.assert_outcomes(failed=3)
        result.stdout.fnmatch_lines([said])


def test_without_the_plugin_the_file_is_nothing(pipeline: pytest.Pytester) -> None:
    """It is asked for by name, and loads nowhere else."""
    assert (
        pipeline.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").ret
        == pytest.ExitCode.NO_TESTS_COLLECTED
    )


def test_figures_are_in_the_junit_report(pipeline: pytest.Pytester) -> None:
    """For whoever reads the pipeline's results."""
    run(pipeline, "--junitxml=out.xml", "-k", "size")
    assert "megabytes" in json.dumps((pipeline.path / "out.xml").read_text())
