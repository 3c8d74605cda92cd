"""Each guard of the sidecar and of the logs is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

KILLS = "tests/fault/ship/test_kills.py"
SYSCALLS = "tests/fault/ship/test_syscalls.py"
SEALED = "tests/unit/audit/ship/test_sealed.py"
SEAL_WATCH = "tests/unit/audit/ship/test_seal_watch.py"
CHANGED = "tests/unit/audit/log/test_kafka_changed.py"
SPANS = "tests/unit/audit/traces/test_export.py"
TRIES = "tests/unit/audit/ship/test_tries.py"
SEALED_KILLS = "tests/fault/ship/test_sealed_kills.py"
LOCAL = "tests/unit/audit/log/test_local.py"
WRITER = "tests/fault/kafka/test_writer.py"
COPIED = (
    "audit",
    "scripts",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/kafka",
    "tests/fault/ship",
    "tests/unit/audit/log",
    "tests/unit/audit/test_check.py",
    "tests/unit/audit/ship",
    "tests/unit/audit/traces",
)

BARRIERS = "tests/fault/ship/test_barrier.py"
GONE = "tests/fault/ship/test_gone.py"
CHECK = "tests/unit/audit/test_check.py"
TOPICS = "tests/unit/audit/log/test_kafka_check.py"
EXTERNAL = "tests/fault/ship/test_external.py"

SIDECAR, SIDECARS = "audit/ship/sidecar.py", "tests/unit/audit/ship/test_sidecar.py"
SHIPPER, BARRIER, ROUTE = "audit/ship/shipper.py", "audit/ship/barrier.py", "audit/ship/route.py"
LEAVES, SEAL, WATCH = "audit/ship/leaves.py", "audit/ship/sealed.py", "audit/ship/watch.py"
LOCAL_LOG, KAFKA_LOG = "audit/log/local.py", "audit/log/kafka.py"
KAFKA_CHECK, KAFKA_CONNECTION = "audit/log/kafka_check.py", "audit/log/kafka_connection.py"

MUTATIONS = (
    Mutation(
        "a collector that hangs holds up the end",
        "audit/traces/export.py",
        "ending.join(CLOSE_SECONDS)",
        "ending.join()",
        SPANS,
    ),
    Mutation("each batch is told of", "audit/news.py", "return not known", "return True", SPANS),
    Mutation(
        "a collector that is back is not told",
        "audit/traces/export.py",
        "if result is SpanExportResult.SUCCESS:",
        "if False:",
        SPANS,
    ),
    Mutation(
        "a route that cannot be read ends the watch",
        WATCH,
        "except (OSError, RouteBroken) as error:\n                self._tell(followed",
        "except KeyError as error:\n                self._tell(followed",
        SEAL_WATCH,
        also=(
            "            except Exception as error:  # noqa: BLE001 — one journal's",
            "            except KeyError as error:  # ",
        ),
    ),
    Mutation(
        "each look's trouble is told",
        WATCH,
        "if any(each.trouble != repr(error) for each in journals):",
        "if True:",
        SEAL_WATCH,
    ),
    Mutation(
        "what is no journal is told at each look",
        SIDECAR,
        "if self._strange.get(path) != (",
        "if None != (",
        SIDECARS,
    ),
    Mutation(
        "a thread of the sidecar that dies alone",
        SIDECAR,
        '                threads.start("sealed", self._watch.run)\n',
        '                threading.Thread(target=self._watch.run, args=(stop,), name="sealed", daemon=True).start()\n',
        SIDECARS,
    ),
    Mutation(
        "a probe that knows nothing of threads",
        SIDECAR,
        'return "" if self._threads is None else self._threads.trouble',
        'return ""',
        SIDECARS,
    ),
    Mutation(
        "an error of the disk where a log's end is looked for",
        "audit/log/local_reader.py",
        "            with translated(directory):\n                try:\n",
        "            if True:\n                try:\n",
        LOCAL,
    ),
    Mutation(
        "an error of the disk where a log's beginning is looked for",
        "audit/log/local_reader.py",
        "        with translated(directory):\n            known",
        "        if True:\n            known",
        LOCAL,
    ),
    Mutation(
        "pauses double for ever",
        "audit/backoff.py",
        "min(failures - 1, _DOUBLINGS)",
        "(failures - 1)",
        TRIES,
    ),
    Mutation(
        "what nobody expected ends a shipper",
        SHIPPER,
        "            except Exception as error:  # noqa: BLE001 — see above",
        "            except (LogUnavailable, JournalBehind, OSError) as error:  # see above",
        TRIES,
    ),
    Mutation(
        "a damaged journal is tried again", SHIPPER, "TopicUnsafe, JournalError,", "TopicUnsafe,", TRIES
    ),
    Mutation("each failure is told", SHIPPER, "if told != (told := repr(error)):", "if True:", TRIES),
    Mutation(
        # Reading to the end instead, as one might: what is not seen yet is sent once more.
        "no barrier",
        SHIPPER,
        """        barrier = append_barrier(
            writer, self._shipper, self.journal, self._settings.delivery_timeout_seconds, self._clock()
        )
        reader = self._log.reader()
""",
        """        reader = self._log.reader()
        barrier = reader.bounds(route.partition)[1]
""",
        KILLS,
        also=("        return 1\n\n", "        return 0\n\n"),
        short=True,
    ),
    Mutation(
        "the barrier is not waited for",
        BARRIER,
        "while (delivered := writer.delivered()).sends < 1:",
        "while (delivered := writer.delivered()).sends < 0:",
        KILLS,
    ),
    Mutation(
        "no look for what is there already",
        SHIPPER,
        "source.seek(found.next)",
        "source.seek(known.sequence)",
        KILLS,
    ),
    Mutation(
        "one sequence with two hashes is benign",
        BARRIER,
        "if leaves.contradict(sequence, leaf):",
        "if False:",
        KILLS,
    ),
    Mutation(
        "a scan that keeps everything",
        BARRIER,
        "            self._now, self._before = {}, self._now\n",
        "            self._before = {**self._before, **self._now}\n",
        f"{BARRIERS}::test_a_scan_of_any_length_takes_the_same_memory",
    ),
    Mutation(
        "windows that are not compared",
        BARRIER,
        "        if len(self._now) >= self._window:\n            self._compare(self._now)\n",
        "        if len(self._now) >= self._window:\n",
        BARRIERS,
    ),
    Mutation("a gap is passed over", BARRIER, "if sequence > following and whole:", "if False:", KILLS),
    Mutation("what is gone is looked for", SHIPPER, "whole = start >= first", "whole = True", GONE),
    Mutation(
        "what is sealed is not known to be in the log",
        SHIPPER,
        "max(known.sequence, sealed.sequence)",
        "known.sequence",
        GONE,
    ),
    Mutation(
        "what the journal has freed is not known to be in the log",
        SHIPPER,
        "sequence = self._first_held(max(known.sequence, sealed.sequence))",
        "sequence = max(known.sequence, sealed.sequence)",
        GONE,
    ),
    Mutation(
        "what a log still has does not tell what stood before it",
        BARRIER,
        "if sequence > following and whole:",
        "if sequence > following:",
        GONE,
    ),
    Mutation(
        "a gap behind what is gone is passed over",
        BARRIER,
        "following, whole = sequence + 1, True",
        "following = sequence + 1",
        GONE,
    ),
    Mutation(
        "what retention takes meanwhile is unexpected",
        SHIPPER,
        "isinstance(error, OffsetGone)",
        "False",
        GONE,
    ),
    Mutation(
        "acknowledged before it is delivered",
        SHIPPER,
        "            progress.next_sequence = record.sequence + 1\n",
        "            progress.next_sequence = record.sequence + 1\n"
        "            run.acknowledged.write(Reached(record.sequence + 1, run.writer.delivered().offset + 2))\n",
        KILLS,
    ),
    Mutation(
        "the place to scan from is beyond what was acknowledged",
        SHIPPER,
        "delivered.offset + 1))",
        "delivered.offset + 1 + len(progress.in_flight)))",
        KILLS,
        also=(
            "max(known.offset, route.start)",
            "max(known.offset + 1, route.start)",
        ),
    ),
    Mutation(
        "no bound on what is in flight",
        SHIPPER,
        "room = self._settings.in_flight_bytes - progress.in_flight_bytes",
        "room = 1 << 40",
        KILLS,
    ),
    Mutation(
        "no watchdog",
        SHIPPER,
        "if progress.in_flight and now - progress.last_progress >",
        "if False and now - progress.last_progress >",
        KILLS,
    ),
    Mutation("unsafe settings are accepted", SHIPPER, "        if unsafe:\n", "        if False:\n", KILLS),
    Mutation(
        "the record before its payload",
        SHIPPER,
        "            value = self._external.move(record.record)\n"
        "            traced = self._traced(record) if sampled else None\n"
        "            if traced is None:\n"
        "                writer.send(value, journal)\n",
        "            from audit.proof.record import frame_record, split_record\n"
        "            value = frame_record(split_record(record.record)[0], b'')"
        " if len(record.record) > 1 << 20 else record.record\n"
        "            traced = self._traced(record) if sampled else None\n"
        "            if traced is None:\n"
        "                writer.send(value, journal)\n"
        "                self._external.move(record.record)\n",
        KILLS,
    ),
    Mutation(
        "what is in the object store is trusted",
        "audit/ship/external.py",
        "            if sha256(stored.content).digest() == digest:\n",
        "            if True:\n",
        f"{EXTERNAL}::test_a_damaged_payload_is_made_good_when_its_record_is_shipped_again",
    ),
    Mutation(
        "a payload without a sync",
        "audit/files.py",
        "            os.fsync(file.fileno())\n",
        "",
        f"{EXTERNAL}::test_a_payload_is_synced_with_all_its_directories_before_its_record_is_written",
    ),
    Mutation(
        "the journal is read beyond the mark",
        "audit/journal/reader.py",
        "        mark = self.mark()\n        if mark is None:\n            return records\n",
        "        mark = self.mark()\n        if mark is None:\n            return records\n"
        "        mark = Mark(mark.version, mark.group, mark.segment, 1 << 40, 1 << 40)\n",
        KILLS,
    ),
    Mutation(
        "a failing disk ends shipping",
        SHIPPER,
        "except Exception as error:  # noqa: BLE001 — see above",
        "except (LogUnavailable, JournalBehind) as error:  # see above",
        SYSCALLS,
    ),
    Mutation(
        "a route whose name is not durable",
        ROUTE,
        "        sync_directory(directory)\n",
        "        pass\n",
        SYSCALLS,
    ),
    Mutation(
        "no fdatasync in the local log",
        LOCAL_LOG,
        "        os.fdatasync(self._file.fileno())\n",
        "",
        SYSCALLS,
    ),
    Mutation(
        "the local log's mark before its fdatasync",
        LOCAL_LOG,
        "        os.fdatasync(self._file.fileno())\n",
        "        self._mark.write(Mark(self._next + len(batch), self._base, self._size + len(data)))\n"
        "        os.fdatasync(self._file.fileno())\n",
        SYSCALLS,
    ),
    Mutation(
        "the page cache is trusted after a failed sync",
        LOCAL_LOG,
        "        if durable < end:\n",
        "        if False:\n",
        SYSCALLS,
    ),
    Mutation(
        "a new segment's name is not synced",
        LOCAL_LOG,
        "        sync_directory(directory)\n    except BaseException:\n",
        "        pass\n    except BaseException:\n",
        SYSCALLS,
    ),
    Mutation(
        "a segment that does not follow is written on",
        LOCAL_LOG,
        "            seek(known[-2][1], base - 1)",
        "            pass",
        LOCAL,
    ),
    Mutation(
        "a reader makes an empty log",
        LOCAL_LOG,
        "        if create:\n",
        "        if True:\n",
        LOCAL,
    ),
    Mutation(
        "one copy is enough while one broker lives",
        KAFKA_CHECK,
        "    copies = max(brokers, replicas)\n",
        "    copies = brokers\n",
        TOPICS,
    ),
    Mutation(
        "a topic with fewer replicas, in silence",
        KAFKA_CHECK,
        "    replicas = settings.replication\n",
        "    replicas = min(settings.replication, brokers)\n",
        TOPICS,
    ),
    Mutation(
        "acknowledgements of one broker out of two",
        KAFKA_CHECK,
        '"min.insync.replicas": str(min(2, replicas)),',
        '"min.insync.replicas": str(2 if replicas > 2 else 1),',
        TOPICS,
    ),
    Mutation(
        "whatever hides a topic is its absence",
        KAFKA_CHECK,
        "    if code == _ABSENT:\n",
        "    if code:\n",
        TOPICS,
    ),
    Mutation(
        "the first broker that has not heard of a new topic is believed",
        KAFKA_CHECK,
        "            if monotonic() >= end:\n",
        "            if True:\n",
        TOPICS,
    ),
    Mutation(
        "a new topic that never shows is waited for without end",
        KAFKA_CHECK,
        "            if monotonic() >= end:\n",
        "            if monotonic() >= end + 60:\n",
        TOPICS,
    ),
    Mutation(
        "a damaged payload in the object store is absent",
        "audit/check.py",
        "            if stored is None:\n",
        "            if stored is None or sha256(stored).digest() != digest:\n",
        CHECK,
    ),
    Mutation(
        "a read that fails once is a flaw",
        "audit/check.py",
        "        except LogUnavailable:\n            pause(seconds)\n",
        "        except LogUnavailable:\n            break\n",
        CHECK,
    ),
    Mutation(
        "short writes are not seen", LOCAL_LOG, "    if written != len(data):\n", "    if False:\n", SYSCALLS
    ),
    Mutation(
        "the local log is read beyond its mark",
        "audit/log/local_reader.py",
        "                limit = min(limit, mark.third)\n",
        "                pass\n",
        LOCAL,
    ),
    Mutation(
        "damage below the mark is taken for a torn tail",
        LOCAL_LOG,
        "if mark is not None and mark.first > following:",
        "if False:",
        LOCAL,
    ),
    Mutation(
        "two writers of one partition",
        LOCAL_LOG,
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "        pass\n",
        LOCAL,
    ),
    Mutation("a mark is a hole", "audit/mark.py", "os.pwrite(descriptor, bytes(SIZE), 0)", "SIZE", SYSCALLS),
    Mutation(
        "where no broker answers, a client's thread stays",
        KAFKA_CONNECTION,
        "        for network in begun:\n            network.close()\n",
        "",
        "tests/unit/audit/log/test_kafka_opened.py",
    ),
    Mutation(
        "a password is read once",
        KAFKA_LOG,
        "        connection(settings, config)\n",
        "        self._read = connection(settings, config)\n",
        CHANGED,
        also=("how = connection_now(self._settings, self._config)", "how = self._read"),
    ),
    Mutation(
        "a file of Kafka's that is wrong for a moment ends the process",
        KAFKA_CONNECTION,
        '        raise LogUnavailable(f"kafka: {error}") from error\n',
        "        raise\n",
        CHANGED,
    ),
)

WITH_A_BROKER = (
    Mutation(
        "a producer goes on behind a failure",
        KAFKA_LOG,
        "        future.add_errback(self._end)\n",
        "",
        f"{WRITER}::test_nothing_is_sent_behind_a_record_that_failed",
    ),
    Mutation(
        "a closed producer goes on sending",
        KAFKA_LOG,
        "        self._end()\n        self._producer._sender.join",
        "        self._producer._sender.join",
        f"{WRITER}::test_a_closed_writer_sends_nothing_more",
    ),
    Mutation(
        "batches expire",
        KAFKA_LOG,
        "delivery_timeout_ms=_NEVER_MS,",
        "delivery_timeout_ms=timeout + 100,",
        f"{WRITER}::test_records_do_not_expire_while_the_broker_is_away",
    ),
)

OF_SEALING = (
    Mutation(
        "an entry that is not sealed is passed over",
        SEAL,
        """            except ValueError:
                break
""",
        """            except ValueError:
                self._ours.popleft()
                continue
""",
        SEALED,
    ),
    Mutation(
        "leaves are not proved",
        LEAVES,
        "            verify_consistency(end, ",
        "            (end, ",
        SEALED,
    ),
    Mutation("a fork is believed", LEAVES, "if self._believed is not None:", "if False:", SEALED),
    Mutation(
        "a rolled back tree is believed after a start", SEAL, "if size < self._proved:", "if False:", SEALED
    ),
    Mutation(
        "followed before the barrier stands",
        SEAL,
        "self._shipped.within is not None and ",
        "True and ",
        SEALED,
    ),
    Mutation("a missing entry is no alarm", SEAL, "missing = wanted and ", "missing = False and ", SEALED),
    Mutation(
        "a journal that shows too little is not waited for",
        SEAL,
        "behind = wanted and ours is None",
        "behind = False",
        SEALED,
    ),
    Mutation(
        "the mark before the places",
        SEAL,
        """            for first, offsets in _runs(found):
                self.offsets.put(first, offsets)
""",
        "",
        SEALED_KILLS,
        also=(
            "            self._write(Reached(sequence, offset), place)\n",
            """            self._write(Reached(sequence, offset), place)
            for first, offsets in _runs(found):
                self.offsets.put(first, offsets)
""",
        ),
    ),
    Mutation(
        "after a failing disk the journal is gone on with",
        SEAL,
        "            self.forget()\n            raise\n",
        "            raise\n",
        SEALED,
    ),
    Mutation(
        "a receipt of another record",
        WATCH,
        "if parse_entry(receipt.entry).record_id != record:",
        "if False:",
        SEAL_WATCH,
    ),
    Mutation(
        "a journal that failed is given what follows",
        WATCH,
        "going = [each for each in going if self._take(each, part)]",
        "_ = [each for each in going if self._take(each, part)]",
        SEAL_WATCH,
    ),
    Mutation(
        "receipts for other machines",
        "audit/ship/receipts.py",
        "if not _loopback(str(",
        "if False and not _loopback(str(",
        SEAL_WATCH,
    ),
    Mutation(
        "a receipt before it is sealed", WATCH, " or sequence >= followed.seal.progress.sequence", "", SEALED
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{KILLS} {SYSCALLS} {LOCAL} {SEALED} {SEAL_WATCH} {SEALED_KILLS}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS + OF_SEALING))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.parametrize("mutation", params(WITH_A_BROKER))
def test_the_tests_with_a_broker_fail_without(copy: Path, mutation: Mutation) -> None:
    """What only a real producer can show."""
    done = run(copy, mutation.tests)
    assert done.returncode == 0, done.stdout[-3000:]
    assert_caught(copy, mutation)
