"""The credit pipeline in Airflow 3: the DVC pipeline's stages as tasks, judged before anybody is asked to sign.

Copy it into the DAGs' folder. Its connection-free tasks want, in the worker's environment: MLFLOW_TRACKING_URI,
AFFIANT_CONFIG, GATES_KEY (a key file of the roles gates and publish, mode 0600), and `dvc` and `affiant` on the path.
WORKSHOP is a checkout of the repository that holds examples/credit/pipeline.

A gate that fails fails its task (exit code 1), and the run with it; Airflow's own alerts tell whom it concerns. What
the gates said is shown either way, in a teardown: an ordinary last task that succeeds would make the run a success.
People approve and deploy with `affiant approve` and `affiant deploy`: no task here has a key that could.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

WORKSHOP = "{{ var.value.get('credit_workshop', '/srv/credit') }}"
DIGEST = '$(python -c \'import json; print(json.load(open("package.json"))["digest"])\')'

with DAG(
    dag_id="credit",
    description="Train, publish and judge the credit model",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule="@weekly",
    catchup=False,
    max_active_runs=1,  # two would publish in an order that nobody chose
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["affiant"],
) as dag:
    stages = [
        BashOperator(task_id=stage, bash_command=f"dvc repro --single-item {stage}", cwd=WORKSHOP)
        for stage in ("ingest", "preprocess", "train", "publish")
    ]
    # A verdict does not change by asking again.
    gate = BashOperator(task_id="gate", bash_command="dvc repro --single-item gate", cwd=WORKSHOP, retries=0)
    show = BashOperator(
        task_id="show", bash_command=f"affiant gate show {DIGEST}", cwd=WORKSHOP
    ).as_teardown()
    for before, after in zip(stages, [*stages[1:], gate], strict=True):
        before >> after
    gate >> show
