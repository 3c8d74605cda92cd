"""Each guard of the gateway is taken out once, in a copy, and the tests must fail: they are no decoration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, copy_code, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

OCI = "tests/integration/test_store_oci.py"
PROCESS = "tests/integration/test_gateway_process.py"
CONNECTIONS = "tests/integration/test_connections.py"
BATCHING = "tests/unit/service/test_batching.py"
TASKS = "tests/unit/service/test_tasks.py"
WAIT = "tests/fault/gateway/test_wait.py"
PATH = "tests/integration/test_gateway_path.py"
DURABLE = "tests/fault/gateway/test_durable_files.py"
AUTH = "tests/unit/service/test_auth.py"
RUNTIMES = "tests/unit/registry/test_runtimes.py"
STORE = "tests/integration/test_store_conformance.py"
RECEIPTS = "tests/unit/service/test_receipts.py"
CANARY = "tests/integration/test_gateway_canary.py"
SHARES = "tests/integration/test_gateway_shares.py"
SUBJECTS = "tests/integration/test_subjects.py"
PSEUDONYMS = "tests/unit/audit/test_subjects.py"
COPIED = (
    "audit",
    "service",
    "registry",
    "cli",
    "monitoring",
    "examples/credit/german_credit.csv",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/gateway",
    "tests/fault/ship",
    "tests/integration",
    "tests/unit/service",
    "tests/unit/registry",
    PSEUDONYMS,
)

MUTATIONS = (
    Mutation(
        "the settings' bounds are not a connection's",
        "service/app.py",
        '        scope["state"][BOUNDS] = worker.bounds\n',
        "",
        f"{PROCESS} -k crowd",
    ),
    Mutation(
        "a store that hangs takes a thread of those who ask",
        "service/worker.py",
        "            executor=self._loader,\n",
        "            executor=self._executor,\n",
        f"{PATH} -k hangs",
    ),
    Mutation(
        "a package may take for ever to come",
        "registry/stores/oci.py",
        "            if self._clock() >= end:\n",
        "            if False:\n",
        f"{OCI} -k now_and_then",
    ),
    Mutation(
        "a silent connection is kept",
        "service/connections.py",
        "        self._watch()\n        if len(",
        "        if len(",
        CONNECTIONS,
    ),
    Mutation(
        "half a request is waited for",
        "service/connections.py",
        "            self._arriving_since, self._received = self.loop.time(), 0\n",
        "            self._received = 0\n",
        CONNECTIONS,
    ),
    Mutation(
        "a large body has no more time than a small one",
        "service/connections.py",
        " * (1 + self._received // PART)",
        "",
        CONNECTIONS,
    ),
    Mutation(
        "the gateway's own time is the client's",
        "service/connections.py",
        "        self._idle_since = self._arriving_since = None\n\n    def pause",
        "        self._arriving_since = None\n\n    def pause",
        CONNECTIONS,
    ),
    Mutation(
        "an answer that nobody takes keeps its descriptor",
        "service/connections.py",
        "if now >= self._unsent_since + self._bounds.receive_seconds:",
        "if False:",
        CONNECTIONS,
    ),
    Mutation(
        "as many connections as come",
        "service/connections.py",
        "if len(self.connections) > self._bounds.connections:",
        "if False:",
        CONNECTIONS,
    ),
    Mutation(
        "a client that takes no answer is not looked at",
        "service/connections.py",
        "self.loop.time()\n        self._watch()\n\n    def _watch",
        "self.loop.time()\n\n    def _watch",
        CONNECTIONS,
    ),
    Mutation(
        "who takes no answer gives no way",
        "service/connections.py",
        "        if self.flow.write_paused:\n            return (True",
        "        if False:\n            return (True",
        CONNECTIONS,
    ),
    Mutation(
        "two requests that overlap have one time",
        "service/connections.py",
        "self._idle_since = self._arriving_since = None\n\n    def pause",
        "self._idle_since = None\n\n    def pause",
        CONNECTIONS,
    ),
    Mutation(
        "the gateway reads nothing, and its client has to send",
        "service/connections.py",
        "            self._arriving_since = now  # it is",
        "            pass  # it is",
        CONNECTIONS,
    ),
    Mutation(
        "a request that was answered early is for ever",
        "service/http.py",
        "                self._idle()  # it was",
        "                pass  # it was",
        CONNECTIONS,
    ),
    Mutation(
        "all are looked at for each that comes",
        "service/connections.py",
        "0.0 if waiting.found else now + _LOOKED",
        "0.0",
        CONNECTIONS,
    ),
    Mutation(
        "who was found waiting is at work meanwhile",
        "service/connections.py",
        "if each.gives_way == place:",
        "if True:",
        CONNECTIONS,
    ),
    Mutation(
        "a request that is just coming is given up",
        "service/connections.py",
        "(True, self._arriving_since) if late else None",
        "(True, self._arriving_since) if late is not None else None",
        CONNECTIONS,
    ),
    Mutation(
        "a task that fails is gone",
        "service/worker.py",
        "kept(name, begin, self._not_followed)",
        "begin()",
        f"{PATH} -k followed_on",
    ),
    Mutation(
        "only failures that are foreseen are no end",
        "service/tasks.py",
        "        except Exception:\n",
        "        except ArithmeticError:\n",
        TASKS,
        short=True,
    ),
    Mutation(
        "a debt that cannot be written holds up the others",
        "service/debts.py",
        "            except Exception:\n",
        "            except ArithmeticError:\n",
        TASKS,
    ),
    Mutation(
        "what is no answer stops the model on the loop",
        "service/batching.py",
        "        except Exception as error:  # noqa: BLE001\n            self._fail",
        "        except RuntimeError as error:\n            self._fail",
        f"{BATCHING} -k loop",
    ),
    Mutation(
        "what is no answer stops the model on a thread",
        "service/batching.py",
        "        except Exception as error:  # noqa: BLE001 — as",
        "        except RuntimeError as error:  # as",
        f"{BATCHING} -k thread",
    ),
    Mutation(
        "a canary that is to be had by its digest",
        "service/front.py",
        "            if not served.by_digest:\n                continue\n",
        "",
        CANARY,
    ),
    Mutation(
        "no wait for the record",
        "service/predict.py",
        "record = await append_answer(call, served, query, predicted, reply)",
        'append_answer(call, served, query, predicted, reply)\n        record = "unknown"',
        f"{WAIT} -k waits",
        short=True,
    ),
    Mutation(
        "the answer before the record",
        "service/predict.py",
        "        record = await append_answer(call, served, query, predicted, reply)\n",
        '        await send_answer(send, served, reply, "early")\n'
        "        record = await append_answer(call, served, query, predicted, reply)\n",
        WAIT,
    ),
    Mutation(
        "a failed record taken for a good one",
        "service/predict.py",
        "        record = await append_answer(call, served, query, predicted, reply)\n",
        "        try:\n"
        "            record = await append_answer(call, served, query, predicted, reply)\n"
        '        except JournalError:\n            record = "none"\n',
        f"{WAIT} -k fails",
    ),
    Mutation(
        "ready with a failed journal",
        "service/worker.py",
        "if admission.door in (Door.FULL, Door.FAILED):",
        "if admission.door is Door.FULL:",
        f"{WAIT} -k fails",
    ),
    Mutation(
        "a body read to its end",
        "service/reading.py",
        "        while size <= limit:\n",
        "        while True:\n",
        f"{PATH} -k over_the_limit",
    ),
    Mutation(
        "no limit of a body",
        "service/reading.py",
        "    if len(body) > limit:\n",
        "    if limit < 0:\n",
        f"{PATH} -k over_the_limit",
    ),
    Mutation(
        "every request of a batch gets the first answers",
        "service/batching.py",
        "            position += item.height\n",
        "            position += 0\n",
        f"{PATH} -k concurrent",
    ),
    Mutation(
        "no bound of the queue",
        "service/reading.py",
        "if gate.in_work > gate.max_queue:",
        "if gate.in_work < 0:",
        f"{PATH} -k max_queue",
    ),
    Mutation(
        "a shadow that is shown everything",
        "service/shadow.py",
        "            if point >= served.weight:\n",
        "            if False:\n",
        SHARES,
    ),
    Mutation(
        "no bound of what a shadow is shown",
        "service/shadow.py",
        "            if len(self._tasks) >= self._limit:\n",
        "            if False:\n",
        f"{PATH} -k shadow_that_hangs",
    ),
    Mutation(
        "a shadow's failure that nobody expected",
        "service/shadow.py",
        "    except Exception as error:\n",
        "    except JournalError as error:\n",
        f"{PATH} -k shadow_that_fails",
    ),
    Mutation(
        "any key is one",
        "service/auth.py",
        "        if caller is None:\n",
        "        if False:\n",
        AUTH,
    ),
    Mutation(
        "without keys everybody is answered",
        "service/auth.py",
        "if server is None or not is_loopback(server[0]):",
        "if server is None:",
        AUTH,
    ),
    Mutation(
        "keys kept as they are",
        "service/auth.py",
        "digest = sha256(key).digest()",
        "digest = key",
        AUTH,
    ),
    Mutation(
        "a key given out before its file is durable",
        "service/auth.py",
        "    sync_directory(path.parent)",
        "    pass",
        DURABLE,
    ),
    Mutation(
        "a store whose directories are not durable",
        "registry/stores/layout.py",
        "            make_directory(self._blobs)\n",
        "            self._blobs.mkdir(parents=True, exist_ok=True)\n",
        DURABLE,
    ),
    Mutation(
        "golden rows that agree with whatever comes",
        "registry/runtimes/__init__.py",
        "return check_golden(runner.predict, golden)",
        "return check_golden(runner.predict, type(golden)(golden.rows, runner.predict(golden.rows), golden.made_with))",
        f"{RUNTIMES} -k golden_answers",
    ),
    Mutation(
        "a model called exact whose answers depend on their batch",
        "registry/runtimes/check.py",
        "        predict(batch).tobytes() == answers.tobytes()\n",
        "        True or predict(batch).tobytes() == answers.tobytes()\n",
        f"{RUNTIMES} -k golden_rows_sort",
    ),
    Mutation(
        "a device that is named where the processor answers",
        "registry/runtimes/onnx.py",
        '"+".join(sorted(_DEVICES[name] for name in placed)) or "cpu"',
        '"cuda"',
        f"{RUNTIMES} -k says_where",
    ),
    Mutation(
        "a recorded device that is said to be the one that answers now",
        "service/replaying.py",
        '                device = "cpu"\n                model',
        "                model",
        "tests/unit/service/test_replaying.py -k device",
    ),
    Mutation(
        "a package not checked when it is pulled",
        "registry/stores/layout.py",
        "        verify(package, digest)\n",
        "",
        f"{STORE} -k layout",
    ),
    Mutation(
        "a package not checked before it is loaded",
        "registry/runtimes/__init__.py",
        "    verify(package)\n    runner",
        "    runner",
        f"{RUNTIMES} -k changed_byte",
    ),
    Mutation(
        "a receipt that was not verified",
        "service/receipts.py",
        "        verify_receipt(receipt, ",
        "        (receipt, ",
        RECEIPTS,
    ),
    Mutation(
        "a receipt for another caller",
        "service/receipts.py",
        "if not anybodys and (theirs is None or theirs != caller):",
        "if False:",
        RECEIPTS,
    ),
    Mutation(
        "a receipt without a caller for a caller without a key",
        "service/receipts.py",
        "theirs is None or ",
        "",
        RECEIPTS,
    ),
    Mutation(
        "a receipt of another record",
        "service/receipts.py",
        " or entry.record_id != record",
        "",
        RECEIPTS,
    ),
    Mutation(
        "a receipt of another log",
        "service/receipts.py",
        'if not re.fullmatch(rf"{re.escape(trust.name)}/[0-9a-f]{{32}}/[0-9]{{1,10}}", origin):',
        "if False:",
        RECEIPTS,
    ),
    Mutation(
        "an answer is about nobody",
        "service/recording.py",
        "    if call.subject is not None:\n        count, caller = count + 1, caller",
        "    if False:\n        count, caller = count + 1, caller",
        f"{SUBJECTS} -k answers_and_refusals",
    ),
    Mutation(
        "a refusal is about nobody",
        "service/recording.py",
        "        fields[12] = call.subject\n",
        "        pass\n",
        f"{SUBJECTS} -k answers_and_refusals",
    ),
    Mutation(
        "a label is about nobody",
        "audit/labels.py",
        "        fields[Key.SUBJECT] = subject\n",
        "        pass\n",
        f"{SUBJECTS} -k shadows_and_labels",
    ),
    Mutation(
        "a refusal repeats the person's id",
        "service/reading.py",
        'raise WrongSubject(f"Affiant-Subject: {error}")',
        'raise WrongSubject(f"Affiant-Subject: {error}: {given!r}")',
        f"{SUBJECTS} -k nowhere",
    ),
    Mutation(
        "the person's id in a span",
        "service/spans.py",
        '"affiant.service": service}',
        '"affiant.service": service, "subject": str(call.headers.get(b"affiant-subject"))}',
        f"{SUBJECTS} -k nowhere",
    ),
    Mutation(
        "two persons in one request",
        "service/reading.py",
        '    if sum(name == SUBJECT for name, _ in call.scope["headers"]) > 1:\n',
        "    if False:\n",
        f"{SUBJECTS} -k two_persons",
    ),
    Mutation(
        "a subject without a key",
        "service/reading.py",
        "    if not keys.keys:\n",
        "    if not keys.keys:\n        return None\n    if False:\n",
        f"{SUBJECTS} -k without_keys",
    ),
    Mutation(
        "keys of subjects are not followed",
        "service/worker.py",
        "            self._gate.subjects = read_subject_keys(self._subjects_path)\n",
        "            read_subject_keys(self._subjects_path)\n",
        f"{SUBJECTS} -k newer_key",
    ),
    Mutation(
        "a pseudonym without its key",
        "audit/subjects.py",
        'return digest(key, person, "sha256")[:SIZE]',
        'return digest(b"", person, "sha256")[:SIZE]',
        PSEUDONYMS,
    ),
    Mutation(
        "keys of subjects for others to read",
        "audit/private.py",
        "    if mode & 0o077:\n",
        "    if False:\n",
        PSEUDONYMS,
    ),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the tests of the gateway need."""
    copied = copy_code(tmp_path, COPIED)
    (copied / "tests" / "conftest.py").write_text((Path(__file__).parents[1] / "conftest.py").read_text())
    ini = (copied / "pytest.ini").read_text()
    (copied / "pytest.ini").write_text(f"{ini}    oci: as in the project\n    cuda: as in the project\n")
    return copied


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    picked = f"{WAIT} {PATH} {AUTH} {RUNTIMES} {STORE} tests/unit/registry/test_package.py"
    done = run(copy, picked)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
