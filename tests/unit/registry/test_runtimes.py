"""Loaded models: what they answer, how they batch, and what is refused."""

from __future__ import annotations

import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import xgboost
from onnx import TensorProto, helper, numpy_helper

from registry.errors import DeviceUnavailable, DigestMismatch, GoldenMismatch, ModelRefused, NotExplainable
from registry.golden import Golden
from registry.package import Package, PackageContent, build
from registry.runtimes import Batching, load, open_runner
from registry.runtimes.check import BATCHES, check_golden
from registry.runtimes.device_memory import DeviceMemory
from registry.runtimes.onnx import device_of
from registry.signature import Feature, Signature
from registry.table import encode
from tests.components.packages import (
    as_categories,
    credit_booster,
    credit_onnx_published,
    credit_package,
    credit_pipeline,
    credit_table,
    number_package,
    number_table,
)

RANDOM = np.random.default_rng(3)
BINARY = Signature(
    name="m",
    task="binary",
    features=tuple(Feature(name=name, type="number") for name in ("a", "b", "c")),
    classes=("no", "yes"),
    positive_class="yes",
)


def linear_model(
    *, outputs: int = 1, domain: str = "", external: bool = False, zipmap: bool = False
) -> bytes:
    """A hand-made ONNX model: [n, 3] -> sigmoid of a product, one column or two."""
    weights = numpy_helper.from_array(
        np.linspace(-1, 1, 3 * outputs, dtype=np.float32).reshape(3, outputs), "w"
    )
    if external:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        entry = weights.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
    nodes = [
        helper.make_node("MatMul", ["rows", "w"], ["margin"]),
        helper.make_node(
            "Softmax" if outputs > 1 else "Sigmoid", ["margin"], ["probabilities"], domain=domain
        ),
    ]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, outputs])
    opsets = [helper.make_opsetid("", 17)]
    if zipmap:
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
        nodes.append(
            helper.make_node(
                "ZipMap", ["probabilities"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"]
            )
        )
        element = helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        )
        output = helper.make_value_info("maps", helper.make_sequence_type_proto(element))
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])
    graph = helper.make_graph(nodes, "g", [rows], [output], [weights])
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def rows_of(count: int) -> np.ndarray:
    """Random rows of three numbers."""
    return RANDOM.normal(size=(count, 3)).astype(np.float32)


def test_xgboost_answers_bit_for_bit_as_the_booster_does_on_the_data_frame() -> None:
    """Category codes in float32 rows give what XGBoost gives for the texts."""
    model = load(credit_package())
    frame = credit_table().frame
    expected = credit_booster().predict(xgboost.DMatrix(as_categories(frame), enable_categorical=True))
    rows = encode(frame, model.signature)
    assert model.predict(rows).tobytes() == expected.tobytes()
    assert model.batching.kind == "exact"
    for size in (1, 2, 7, 500):
        assert model.predict(rows[:size]).tobytes() == expected[:size].tobytes()


def test_xgboost_json_and_ubjson_answer_alike() -> None:
    """The two file forms hold the same model."""
    one, other = load(credit_package()), load(credit_package(form="json"))
    rows = credit_package().golden.rows
    assert one.digest != other.digest
    assert one.predict(rows).tobytes() == other.predict(rows).tobytes()


def test_an_answer_stays_what_it_was_when_the_next_one_is_computed() -> None:
    """XGBoost reuses its buffer; the answers are the caller's own."""
    model = load(number_package())
    first = model.predict(rows_of(5))
    kept = first.copy()
    model.predict(rows_of(5))
    assert (first == kept).all()


def test_batches_of_changing_sizes_answer_as_the_wrapper_does() -> None:
    """The matrix that is kept between calls keeps nothing of the batch before."""
    package = number_package(classes=3)
    model = load(package)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(package.model))
    random = np.random.default_rng(11)
    for size in random.integers(1, 200, 300):
        rows = random.normal(size=(size, 3)).astype(np.float32)
        rows[random.random(rows.shape) < 0.2] = np.nan
        assert model.predict(rows).tobytes() == booster.inplace_predict(rows).tobytes()


def test_predicting_does_not_grow_and_a_dropped_model_is_freed() -> None:
    """What is kept for speed is kept once, and given back with the model."""
    package = number_package()

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    model = load(package)
    rows = rows_of(64)
    for _ in range(2_000):
        model.predict(rows)
    before = resident()
    for _ in range(20_000):
        model.predict(rows)
    assert resident() - before < 4 << 20
    for _ in range(20):
        load(package)
    before = resident()
    for _ in range(200):
        load(package)
    assert resident() - before < 16 << 20


def test_contributions_sum_to_the_margin() -> None:
    """TreeSHAP [n, width + 1]: with the bias they are the log-odds of the answer."""
    model = load(credit_package())
    rows = credit_package().golden.rows
    contributions = model.explain(rows)
    assert contributions.shape == (len(rows), model.signature.width + 1)
    margin = contributions.sum(axis=1, dtype=np.float64)
    assert np.allclose(1 / (1 + np.exp(-margin)), model.predict(rows), atol=1e-5)


def test_many_classes_answer_with_one_column_each() -> None:
    """[n, classes] that sum to one; explanations have a class axis."""
    model = load(number_package(classes=4))
    answers = model.predict(rows_of(6))
    assert answers.shape == (6, 4)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert model.explain(rows_of(2)).shape == (2, 4, 4)


def test_regression_answers_with_values() -> None:
    """One value a row, not bounded by one."""
    table = number_table()
    target = table.frame["a"].to_numpy() * 10
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(table.frame[["a", "b", "c"]], target), 5)
    signature = BINARY.model_copy(update={"task": "regression", "classes": (), "positive_class": None})
    runner = open_runner(bytes(booster.save_raw("ubj")), "xgboost-ubj", signature)
    assert runner.predict(rows_of(64)).max() > 1


@pytest.mark.parametrize(
    "rows",
    [np.zeros((2, 4), np.float32), np.zeros((2, 3), np.float64), np.zeros((3, 2), np.float32).T],
    ids=["width", "type", "order"],
)
def test_rows_of_another_width_type_or_order_are_a_programming_error(rows: np.ndarray) -> None:
    """A pointer to such rows would be read as something else."""
    with pytest.raises(ValueError, match="C-contiguous float32"):
        load(number_package()).predict(rows)
    with pytest.raises(ValueError, match="C-contiguous float32"):
        open_runner(linear_model(), "onnx", BINARY).predict(rows)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": BINARY.features[:2]}, "3 features, the signature 2"),
        ({"task": "regression", "classes": (), "positive_class": None}, "does not answer"),
        ({"features": (*BINARY.features[:2], Feature(name="other", type="number"))}, "names"),
        (
            {"features": (*BINARY.features[:2], Feature(name="c", type="category", categories=("x",)))},
            "type 'float' in the model",
        ),
    ],
)
def test_xgboost_and_signature_must_fit(changes: dict, says: str) -> None:
    """Width, task, names in order and types are compared before anything is served."""
    package = number_package()
    with pytest.raises(ModelRefused, match=says):
        open_runner(package.model, "xgboost-ubj", BINARY.model_copy(update=changes))


def test_bytes_that_only_begin_like_a_model_are_refused() -> None:
    """Cut short, or nonsense: one domain error."""
    damaged = number_package().model[:200]
    with pytest.raises(ModelRefused, match="ends within"):
        open_runner(damaged, "xgboost-ubj", BINARY)
    with pytest.raises(ModelRefused):
        open_runner(b"\x08\x0a" + b"\xff" * 50, "onnx", BINARY)


def test_cuda_without_a_cuda_build_is_said() -> None:
    """The setting asks for what this build has not: a clear error, no silent fall back."""
    if xgboost.build_info().get("USE_CUDA"):
        pytest.fail("these tests run with the CPU builds (the gateway-cpu extra)")
    with pytest.raises(DeviceUnavailable, match="gateway-gpu"):
        load(number_package(), device="cuda")
    with pytest.raises(DeviceUnavailable, match="gateway-gpu"):
        open_runner(linear_model(), "onnx", BINARY, device="cuda")


@pytest.mark.filterwarnings("ignore:.*log_callback")  # XGBoost's own word of it, a warning within a callback
def test_an_xgboost_that_falls_back_to_the_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only warns; the record would name a device that did not answer."""
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": True})
    with pytest.raises(DeviceUnavailable, match="fell back to 'cpu'"):
        load(number_package(), device="cuda")


class Placed:
    """What a session on a GPU says of itself, as tests/integration/test_cuda.py finds it on a real one."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(ep_name=f"{name}ExecutionProvider") for name in self.names]


@pytest.mark.parametrize(
    ("placed", "device"),
    [(["CUDA"], "cuda"), (["CUDA", "CPU", "CUDA"], "cpu+cuda"), (["CPU"], "cpu"), ([], "cpu")],
)
def test_a_model_says_where_its_operators_run(placed: list[str], device: str) -> None:
    """ONNX Runtime puts what has no kernel on the processor; asked of a session that is on the processor, none is."""
    assert device_of(Placed(*placed)) == device
    assert open_runner(linear_model(), "onnx", BINARY).device == "cpu"


def test_memory_of_a_device_without_a_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a fault of ctypes, but that there is no device."""
    monkeypatch.setattr("registry.runtimes.device_memory.LIBRARY", "libcuda.so.of-no-driver")
    with pytest.raises(DeviceUnavailable, match="driver is not there"):
        DeviceMemory()


@pytest.mark.parametrize("column", [0, 1, None])
def test_the_positive_class_is_the_column_that_the_signature_names(column: int | None) -> None:
    """A model's label order is its own: the signature says which column is the score."""
    runner = open_runner(linear_model(outputs=2), "onnx", BINARY.model_copy(update={"score_column": column}))
    first = open_runner(linear_model(outputs=2), "onnx", BINARY.model_copy(update={"score_column": 0}))
    rows = rows_of(5)
    zero = first.predict(rows)
    got = runner.predict(rows)
    assert got.shape == (5,)
    assert np.allclose(got, zero if column == 0 else 1 - zero, atol=1e-6)


def test_a_model_with_one_column_has_the_score_alone() -> None:
    """Whichever of two columns the signature would have taken."""
    rows = rows_of(5)
    answers = [
        open_runner(linear_model(), "onnx", BINARY.model_copy(update={"score_column": column})).predict(rows)
        for column in (None, 0, 1)
    ]
    assert all(np.array_equal(each, answers[0]) and each.shape == (5,) for each in answers)


def test_a_zipmap_is_unwrapped() -> None:
    """A list of dictionaries a row is left out of the graph; the probabilities come out."""
    rows = rows_of(9)
    plain = open_runner(linear_model(outputs=2), "onnx", BINARY).predict(rows)
    assert (
        open_runner(linear_model(outputs=2, zipmap=True), "onnx", BINARY).predict(rows).tobytes()
        == plain.tobytes()
    )


def test_custom_operators_and_external_data_are_refused() -> None:
    """Neither a foreign library nor a file beside the model is ever opened."""
    with pytest.raises(ModelRefused, match=r"operators that are not ONNX's own: com\.example"):
        open_runner(linear_model(domain="com.example"), "onnx", BINARY)
    with pytest.raises(ModelRefused, match="other files"):
        open_runner(linear_model(external=True), "onnx", BINARY)


def test_external_data_inside_a_subgraph_is_refused() -> None:
    """An If's branch is looked into as well."""
    model = onnx.ModelProto.FromString(linear_model())
    hidden = onnx.ModelProto.FromString(linear_model(external=True)).graph
    node = model.graph.node.add(op_type="If", input=["x"], output=["y"])
    node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(hidden)
    with pytest.raises(ModelRefused, match="other files"):
        open_runner(model.SerializeToString(), "onnx", BINARY)


def test_onnx_has_no_explanation() -> None:
    """A clear error in place of a made-up answer."""
    with pytest.raises(NotExplainable):
        open_runner(linear_model(), "onnx", BINARY).explain(rows_of(1))


def test_a_pipeline_with_one_input_a_column_gets_its_texts_back() -> None:
    """Codes become category texts again, and the export agrees with the pipeline."""
    from sklearn.linear_model import LogisticRegression

    published = credit_onnx_published(LogisticRegression(max_iter=2000))
    assert published.comparison is not None
    assert published.comparison.max_difference < 1e-5
    model = load(published.package)
    frame = credit_table().frame
    expected = credit_pipeline(LogisticRegression(max_iter=2000)).predict_proba(
        frame.drop(columns=["creditability"])
    )
    assert np.allclose(model.predict(encode(frame, model.signature)), expected[:, 0], atol=1e-5)


def test_logistic_regression_is_padded_until_no_batch_changes_a_bit() -> None:
    """ONNX Runtime multiplies one row by another kernel than two: such a model is padded, and then exact."""
    from sklearn.linear_model import LogisticRegression

    package = credit_onnx_published(LogisticRegression(max_iter=2000)).package
    model = load(package)
    assert model.batching.kind == "padded"
    rows = package.golden.rows
    whole = model.predict(rows)
    for size in BATCHES:
        parts = [
            model.predict(np.ascontiguousarray(rows[at : at + size])) for at in range(0, len(rows), size)
        ]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_a_missing_category_is_the_empty_text_to_a_pipeline() -> None:
    """What the signature allows as missing, a one-hot encoder sees as unknown: all zeros."""
    from sklearn.linear_model import LogisticRegression

    model = load(credit_onnx_published(LogisticRegression(max_iter=2000)).package)
    rows = encode(credit_table().frame, model.signature)[:2].copy()
    before = model.predict(rows)
    rows[0, 0] = np.nan
    after = model.predict(rows)
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_a_code_outside_its_categories_is_a_programming_error() -> None:
    """Python would read the neighbour's text for -1; nothing wrong is ever read."""
    from sklearn.linear_model import LogisticRegression

    model = load(credit_onnx_published(LogisticRegression(max_iter=2000)).package)
    rows = encode(credit_table().frame, model.signature)[:2].copy()
    for code in (-1, 99):
        rows[1, 0] = code
        with pytest.raises(ValueError, match="outside its categories"):
            model.predict(rows)


def test_integer_inputs_take_no_missing_values() -> None:
    """NaN has no int64: refused when loading, not wrong when serving."""
    nodes = [
        helper.make_node("Cast", ["a"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Sigmoid", ["x"], ["p"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("a", TensorProto.INT64, [None, 1])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])],
    )
    data = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    one = {"features": (Feature(name="a", type="integer"),)}
    runner = open_runner(data, "onnx", BINARY.model_copy(update=one))
    assert runner.predict(np.array([[0.0], [2.0]], np.float32)).tolist() == pytest.approx([0.5, 0.880797])
    allowed = {"features": (Feature(name="a", type="integer", missing=True),)}
    with pytest.raises(ModelRefused, match="integer and cannot be missing"):
        open_runner(data, "onnx", BINARY.model_copy(update=allowed))


def test_a_model_that_does_not_give_its_golden_answers_is_refused() -> None:
    """The wrong model under a right signature is found before it serves."""
    package = number_package()
    golden = package.golden
    wrong = Golden(golden.rows, 1 - golden.expected, golden.made_with)
    content = PackageContent(
        package.model, package.model_type, package.part("signature"), package.part("reference"),
        wrong.encode(), package.part("lineage"), package.part("card"),
    )  # fmt: skip
    with pytest.raises(GoldenMismatch, match="off by up to"):
        load(build(content))


def test_a_changed_byte_of_any_part_is_found_before_the_model_is_loaded() -> None:
    """Also of the card, which no runtime looks at."""
    package = number_package()
    for layer in package.parsed.layers:
        whole = package.blobs[layer.digest]
        changed = Package(
            package.manifest, {**package.blobs, layer.digest: whole[:-1] + bytes([whole[-1] ^ 1])}
        )
        with pytest.raises(DigestMismatch):
            load(changed)


def test_golden_rows_sort_models_into_exact_padded_and_tolerance() -> None:
    """The three kinds, with models made for it; and two of another machine, which rounds otherwise."""
    rows = rows_of(64)
    answers = rows[:, :1].copy()
    golden = Golden(rows, answers, "test")
    up = np.nextafter(answers, np.float32(np.inf))

    def exact(batch):
        return batch[:, 0].copy()

    def odd_in_small_batches(batch):
        result = batch[:, 0].copy()
        return result if len(batch) % 4 == 0 else np.nextafter(result, np.float32(np.inf))

    def always_off(batch):
        return np.nextafter(batch[:, 0], np.float32(np.inf))

    def off_and_odd(batch):
        return always_off(batch) if len(batch) % 4 == 0 else batch[:, 0].copy()

    def of_its_batch(batch):
        result = batch[:, 0].copy()
        return np.nextafter(result, np.float32(np.inf)) if batch[:, 1].mean() > 0 else result

    assert check_golden(exact, golden).kind == "exact"
    padded = check_golden(odd_in_small_batches, golden)
    assert (padded.kind, padded.rows) == ("padded", 4)
    bound = pytest.approx(float(np.abs(up.astype(np.float64) - answers).max()))
    assert check_golden(always_off, golden) == Batching("exact", bound=bound)
    assert check_golden(off_and_odd, golden) == Batching("padded", 4, bound=bound)
    assert check_golden(of_its_batch, golden) == Batching("tolerance", bound=bound)


def test_an_answer_that_is_no_number_or_of_another_shape_is_refused() -> None:
    """NaN is within no tolerance."""
    golden = Golden(rows_of(4), np.zeros((4, 1), np.float32), "test")
    with pytest.raises(GoldenMismatch):
        check_golden(lambda batch: np.full(len(batch), np.nan, np.float32), golden)
    with pytest.raises(GoldenMismatch, match="shape"):
        check_golden(lambda batch: np.zeros((len(batch), 2), np.float32), golden)
