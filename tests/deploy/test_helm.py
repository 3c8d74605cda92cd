from __future__ import annotations

from pathlib import Path

from tests.components.kubernetes import helm, kubeconform, render

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "affiant"
MINIMAL = CHART / "ci" / "minimal-values.yaml"


def test_helm_itself_has_nothing_against_the_chart() -> None:
    """Not even a warning."""
    helm("lint", "--strict", "--kube-version", "1.34.0", "--values", str(MINIMAL), str(CHART))


def test_what_it_renders_is_what_kubernetes_takes(tmp_path: Path) -> None:
    """Each manifest has a schema, and nothing that the schema does not name."""
    (tmp_path / "minimal.yaml").write_text(render(CHART, [MINIMAL]))
    assert kubeconform(tmp_path) == []
