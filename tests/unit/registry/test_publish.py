"""From table and model to a signature: what is inferred, what is assumed and said, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost

from registry.convert import publish_sklearn
from registry.errors import PickleRefused, PublishError
from registry.infer import Wanted
from registry.lineage import GitState
from registry.publish import publish
from registry.reference import Column, decode, dkw_radius
from registry.runtimes import open_runner
from registry.table import UNSEEN, encode, model_rows, read_table, table_of
from tests.components.packages import (
    CREDIT_CSV,
    MADE,
    TARGET,
    as_categories,
    credit_booster,
    credit_onnx_published,
    credit_published,
    credit_table,
    number_package,
    number_table,
)


def csv(path: Path, text: str) -> Path:
    """A CSV file."""
    file = path / "table.csv"
    file.write_text(text, encoding="utf-8")
    return file


def model_bytes(booster: xgboost.Booster) -> bytes:
    """UBJSON."""
    return bytes(booster.save_raw("ubj"))


def test_the_credit_models_signature_is_the_models_own() -> None:
    """Names, order, types and categories come from the model file; ranges from the table."""
    signature = credit_published().package.signature
    frame = as_categories(credit_table().frame)
    assert [feature.name for feature in signature.features] == list(frame.columns)
    for feature in signature.features:
        if feature.type == "category":
            assert feature.categories == tuple(frame[feature.name].cat.categories)
        else:
            assert (feature.minimum, feature.maximum) == (
                frame[feature.name].min(),
                frame[feature.name].max(),
            )
            assert feature.type == "integer"
    assert signature.classes == ("good", "bad")
    assert (signature.positive_class, signature.threshold) == ("bad", 0.5)
    assert credit_published().warnings == ()


def test_only_an_empty_cell_is_missing(tmp_path: Path) -> None:
    """The credit data says "none" and means it; "NA" and "None" are texts as well."""
    table = read_table(csv(tmp_path, "a,b,c\nnone,1,x\nNA,,y\nNone,2.5,\n,3,nan\n"))
    assert table.frame["a"].tolist()[:3] == ["none", "NA", "None"]
    assert table.frame["a"].isna().tolist() == [False, False, False, True]
    assert table.frame["b"].tolist()[0] == 1.0
    assert np.isnan(table.frame["b"].tolist()[1])
    assert table.frame["c"].isna().tolist() == [False, False, True, False]


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    """The model sees the same float32 values from either."""
    credit_table().frame.to_parquet(tmp_path / "credit.parquet")
    signature = credit_published().package.signature
    other = read_table(tmp_path / "credit.parquet")
    assert encode(other.frame, signature).tobytes() == encode(credit_table().frame, signature).tobytes()


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,a\n1,2\n", "twice"), ("a,b\n", "no rows"), ("", "cannot be read"), ('a\n"x\n', "cannot be read")],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """The message names the file."""
    with pytest.raises(PublishError, match=says):
        read_table(csv(tmp_path, text))


def test_a_table_of_another_kind_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A pickled data frame is not a table either."""
    (tmp_path / "t.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(PublishError, match=r"\.csv or \.parquet"):
        read_table(tmp_path / "t.pkl")
    with pytest.raises(PublishError, match="cannot read"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "t.parquet").write_bytes(b"not parquet")
    with pytest.raises(PublishError, match="cannot be read"):
        read_table(tmp_path / "t.parquet")


def test_unknown_categories_are_counted_apart_and_predicted_as_missing() -> None:
    """A table with a category that the model does not know: in the reference it is unseen, not missing."""
    frame = credit_table().frame.copy()
    frame.loc[:9, "housing"] = "tent"
    frame.loc[10:12, "housing"] = None
    published = publish(
        model_bytes(credit_booster()),
        table_of(frame, "changed"),
        Wanted("credit", TARGET, "bad", unknown="missing"),
    )
    place = [feature.name for feature in published.package.signature.features].index("housing")
    column: Column = published.package.reference.features[place]
    assert (column.unseen, column.missing) == (10, 3)
    encoded = encode(frame, published.package.signature)
    assert (encoded[:10, place] == UNSEEN).all()
    assert not (published.package.golden.rows == UNSEEN).any()


def test_no_golden_row_is_a_row_of_the_table() -> None:
    """Each column is drawn on its own: no person's row is carried in a package."""
    package = credit_published().package
    table = {row.tobytes() for row in encode(credit_table().frame, package.signature)}
    assert not any(row.tobytes() in table for row in package.golden.rows)


def test_publishing_is_deterministic() -> None:
    """The same file, table and clock give the same package."""
    one, two = (
        publish(
            model_bytes(credit_booster()), credit_table(), Wanted("credit", TARGET, "bad"), now=lambda: MADE
        )
        for _ in range(2)
    )
    assert one.package.digest == two.package.digest


def test_the_wrong_positive_class_is_found() -> None:
    """Scores that rank the classes the wrong way round are refused."""
    with pytest.raises(PublishError, match="other class the positive one"):
        publish(model_bytes(credit_booster()), credit_table(), Wanted("credit", TARGET, "good"))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted("m", "absent"), "no column 'absent'"),
        (Wanted("m", TARGET), "say which class is positive"),
        (Wanted("m", TARGET, "ugly"), "'ugly' is not a value"),
        (Wanted("m", "housing", "own"), "a target with two values"),
        (Wanted("", TARGET, "bad"), "would not be valid"),
    ],
)
def test_what_does_not_fit_is_said(wanted: Wanted, says: str) -> None:
    """Target, classes and name."""
    with pytest.raises(PublishError, match=says):
        publish(model_bytes(credit_booster()), credit_table(), wanted)


def test_scores_may_be_of_a_hold_out_that_the_model_has_not_seen() -> None:
    """With how many they are; features stay the training table's. Told in lineage and card."""
    frame = credit_table().frame
    trained, held_out = table_of(frame[:700], "trained"), table_of(frame[700:].drop(columns=[TARGET]), "held")
    wanted = Wanted("credit", TARGET, "bad")
    alone = publish(model_bytes(credit_booster()), trained, wanted, now=lambda: MADE).package
    package = publish(
        model_bytes(credit_booster()), trained, wanted, now=lambda: MADE, holdout=held_out
    ).package
    own, reference = alone.reference, package.reference
    assert (reference.rows, reference.score_rows, reference.scored) == (700, 300, 300)
    assert (own.score_rows, own.scored) == (None, 700)
    assert reference.radius == dkw_radius(300) > own.radius
    assert [column.reference_counts().sum() for column in reference.scores] == [300]
    for one, other in zip(reference.features, own.features, strict=True):
        assert (one.reference_counts() == other.reference_counts()).all()
    inputs = model_rows(encode(held_out.frame, package.signature), package.signature)
    runner = open_runner(package.model, package.model_type, package.signature)
    counted = reference.scores[0].count(runner.predict(inputs).reshape(-1))
    assert (counted == reference.scores[0].reference_counts()).all()
    assert package.lineage["score_table"] == {"file": "held", "sha256": held_out.sha256, "rows": 300}
    assert "score_table" not in alone.lineage
    assert "scores of 300 that were held out" in package.card
    assert decode(reference.encode()).encode() == reference.encode()


def test_a_hold_out_that_is_none_is_refused() -> None:
    """The table itself; too few rows; a column of the model that is not there."""
    frame = credit_table().frame
    for held_out, says in (
        (credit_table(), "the hold-out is the training table itself"),
        (table_of(frame[:168], "few"), "the hold-out has 168 rows: too few"),
        (table_of(frame[:200].drop(columns=["purpose"]), "cut"), "cut: the table has no column 'purpose'"),
    ):
        with pytest.raises(PublishError, match=says):
            publish(
                model_bytes(credit_booster()), credit_table(), Wanted("m", TARGET, "bad"), holdout=held_out
            )


def test_a_table_without_a_column_of_the_model_is_refused() -> None:
    """The message names the column."""
    frame = credit_table().frame.drop(columns=["purpose"])
    with pytest.raises(PublishError, match="'purpose', which the model takes"):
        publish(model_bytes(credit_booster()), table_of(frame, "cut"), Wanted("m", TARGET, "bad"))


def test_text_where_the_model_takes_numbers_is_refused() -> None:
    """A broken column is not silently missing."""
    frame = credit_table().frame.copy()
    frame["age_in_years"] = "old"
    with pytest.raises(PublishError, match=r"'age_in_years' holds text"):
        publish(model_bytes(credit_booster()), table_of(frame, "broken"), Wanted("m", TARGET, "bad"))


def test_an_objective_that_gives_no_probability_is_refused() -> None:
    """Margins, labels and rankings would be recorded as what they are not."""
    table = number_table()
    for objective in ("binary:logitraw", "binary:hinge", "rank:pairwise"):
        data = xgboost.DMatrix(table.frame[["a", "b", "c"]], table.frame["y"])
        booster = xgboost.train({"objective": objective, "nthread": 1}, data, 2)
        with pytest.raises(PublishError, match="objective"):
            publish(model_bytes(booster), table, Wanted("m", "y"))


def test_a_model_without_names_takes_the_tables_columns_in_order() -> None:
    """And says so when the number does not fit."""
    table = number_table()
    data = xgboost.DMatrix(table.frame[["a", "b", "c"]].to_numpy(), table.frame["y"])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 4)
    published = publish(model_bytes(booster), table, Wanted("m", "y"))
    assert [feature.name for feature in published.package.signature.features] == ["a", "b", "c"]
    wider = table_of(table.frame.assign(d=1.0), "wider")
    with pytest.raises(PublishError, match="3 features without names"):
        publish(model_bytes(booster), wider, Wanted("m", "y"))


def test_many_classes_keep_the_models_order() -> None:
    """Codes 0 … 3 are the sorted classes, and that this was assumed is said."""
    package = number_package(classes=4)
    assert package.signature.classes == ("0", "1", "2", "3")
    assert package.signature.positive_class is None
    assert len(package.reference.scores) == 4


def test_regression_has_a_value_and_no_classes() -> None:
    """The task comes from the objective."""
    table = number_table()
    frame = table.frame.assign(y=table.frame["a"] * 100)
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(frame[["a", "b", "c"]], frame["y"]), 4)
    published = publish(model_bytes(booster), table_of(frame, "numbers"), Wanted("m", "y"))
    assert (published.package.signature.task, published.package.signature.classes) == ("regression", ())
    assert [column.name for column in published.package.reference.scores] == ["value"]


def test_lineage_says_where_a_package_came_from() -> None:
    """Digests of model and table, versions, time, and the commit with its state."""
    lineage = credit_published().package.lineage
    assert lineage["created"] == "2026-01-02T03:04:05Z"
    assert lineage["training_table"]["rows"] == 1000
    assert lineage["training_table"]["sha256"] == credit_table().sha256
    assert lineage["training_table"]["file"] == CREDIT_CSV.name
    assert lineage["environment"]["libraries"]["numpy"] == np.__version__
    assert lineage["git"] is None
    assert "git commit" in lineage["unknown"]


def test_lineage_outside_a_work_tree_has_no_commit(tmp_path: Path) -> None:
    """No commit is made up; the one that is given is taken."""
    stated = GitState("c" * 40, True, "said")
    told = publish(
        model_bytes(credit_booster()), credit_table(), Wanted("credit", TARGET, "bad"), git=stated,
        directory=tmp_path,
    )  # fmt: skip
    assert told.package.lineage["git"] == {"commit": "c" * 40, "dirty": True, "source": "said"}
    published = publish(
        model_bytes(credit_booster()),
        credit_table(),
        Wanted("credit", TARGET, "bad"),
        directory=tmp_path,
        now=lambda: datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert published.package.lineage["git"] is None
    assert published.package.created == "2026-05-01T00:00:00Z"


def test_an_export_that_differs_says_how_far() -> None:
    """A converted random forest decides on float32: the difference is measured, said and can be refused."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_estimators=30, random_state=0)
    published = credit_onnx_published(forest)
    comparison = published.comparison
    assert comparison is not None
    assert comparison.rows == 1000
    assert comparison.max_difference > 0.001
    assert comparison.rows_beyond > 0
    assert any("differ from the source model" in warning for warning in published.warnings)
    assert published.package.lineage["comparison"]["rows_beyond"] == comparison.rows_beyond
    assert "Against the source model" in published.package.card
    with pytest.raises(PublishError, match="is allowed"):
        credit_onnx_published(forest, max_difference=1e-4)


def test_an_exports_score_is_the_positive_classs_whichever_column_it_is() -> None:
    """scikit-learn sorts its classes: bad is column 0, good column 1."""
    from sklearn.tree import DecisionTreeClassifier

    for positive, column in (("bad", 0), ("good", 1)):
        published = credit_onnx_published(DecisionTreeClassifier(max_depth=3), positive=positive)
        assert published.package.signature.score_column == column
        assert published.metrics["training_auc"] > 0.6


def test_a_regressor_and_many_classes_come_through_onnx() -> None:
    """The other two tasks, converted."""
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression

    frame = number_table().frame.drop(columns=["c"])
    value = frame.assign(y=frame["a"] * 10)
    regressor = GradientBoostingRegressor(n_estimators=10).fit(value[["a", "b"]].to_numpy(), value["y"])
    many = (
        number_table(classes=3)
        .frame.drop(columns=["c"])
        .assign(y=lambda table: table["y"].map(list("zyx").__getitem__))
    )
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    keep = make_column_transformer(("passthrough", ["a", "b"]))
    made = publish_sklearn(
        make_pipeline(keep, regressor).fit(value[["a", "b"]], value["y"]), value, target="y", name="r"
    )
    assert made.package.signature.task == "regression"
    assert made.comparison is not None
    assert made.comparison.max_difference < 1e-4
    model = make_pipeline(keep, LogisticRegression()).fit(many[["a", "b"]], many["y"])
    classes = publish_sklearn(model, many, target="y", name="c")
    assert classes.package.signature.classes == ("x", "y", "z")
    assert classes.comparison is not None
    assert classes.comparison.max_difference < 1e-5
    assert classes.metrics["training_accuracy"] > 0.5


def test_an_estimator_without_a_converter_is_refused() -> None:
    """One error of ours, with the reason."""

    class Strange:
        """No known estimator."""

    with pytest.raises(PublishError, match="skl2onnx cannot convert Strange"):
        publish_sklearn(Strange(), pd.DataFrame({"a": [1.0], "y": [1]}), target="y", name="m")


def test_a_pickle_is_refused_before_the_table_is_looked_at() -> None:
    """The reason comes first."""
    with pytest.raises(PickleRefused):
        publish(b"\x80\x04\x95", number_table(), Wanted("m", "absent"))
