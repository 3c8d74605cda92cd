"""Each guard of the journal is taken out once, in a copy, and the tests must fail: they are no decoration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

CRASHES = "tests/fault/disk/test_crash_points.py"
FAULTS = "tests/fault/disk/test_syscall_faults.py"
GROWTH = "tests/unit/audit/journal/test_growth.py"
APPEND = "tests/unit/audit/journal/test_append.py"
KEYS = "tests/unit/audit/journal/test_keys.py"
RECOVER = "tests/unit/audit/journal/test_recover.py"
READER = "tests/unit/audit/journal/test_reader.py"
COPIED = (
    "audit",
    "tests/__init__.py",
    "tests/fault/__init__.py",
    "tests/fault/disk",
    "tests/unit/audit/journal",
)

MUTATIONS = (
    Mutation(
        "a segment whose disk fails stays open",
        "audit/journal/reader.py",
        "        except BaseException as error:\n",
        "        except FormatError as error:\n",
        READER,
    ),
    Mutation(
        "a key that somebody has put beside a journal",
        "audit/journal/identity.py",
        "KEY_NAME if keys is None else",
        "KEY_NAME if keys is None or (directory / KEY_NAME).exists() else",
        KEYS,
    ),
    Mutation(
        "another journal's key",
        "audit/journal/identity.py",
        "        _hold(key, path, directory / PUBLIC_NAME, disk, new=raw is None)\n",
        "        pass\n",
        KEYS,
        short=True,
    ),
    Mutation(
        "another journal's key for a new one",
        "audit/journal/identity.py",
        "    if raw is None and not new:\n",
        "    if raw is None:\n",
        KEYS,
    ),
    Mutation(
        "what comes and goes is growth",
        "audit/journal/growth.py",
        "        return 0.0 if full else self._growth.hours_to_full(held, self._bound, self._floor)",
        "        return 0.0 if full else self._growth.hours_to_full(held, self._bound, 0)",
        GROWTH,
    ),
    Mutation(
        "what cannot be removed is no growth",
        "audit/journal/growth.py",
        "max(waiting, held - 2 * largest)",
        "waiting",
        GROWTH,
    ),
    Mutation(
        "a full journal has time",
        "audit/journal/growth.py",
        "return 0.0 if full else ",
        "return ",
        GROWTH,
    ),
    Mutation(
        "a step of what waits is growth at once",
        "audit/journal/growth.py",
        "        self._usual = float(waiting)\n",
        "        self._usual = 0.0\n",
        GROWTH,
    ),
    Mutation(
        "no fsync in the thread",
        "audit/journal/syncer.py",
        "lambda: self._disk.sync(fd), ",
        "lambda: None, ",
        APPEND,
    ),
    Mutation(
        "no fsync of a group",
        "audit/journal/committer.py",
        "self._syncer.sync(self._segments.fd, self._synced)",
        "self._loop.call_soon(self._synced, None)",
        CRASHES,
        short=True,
    ),
    Mutation(
        "no wait for the fsync",
        "audit/journal/committer.py",
        "        self._held, self._writing = None, sealed\n",
        "        self._held, self._writing = None, sealed\n        self._durable(sealed.batch.waiters)\n",
        CRASHES,
    ),
    Mutation(
        "the mark before the fsync",
        "audit/journal/committer.py",
        "        self._held, self._writing = None, sealed\n",
        "        self._held, self._writing = None, sealed\n"
        "        at = align(self._segments.current.end) + GROUP_HEAD + len(sealed.body)\n"
        "        last = sealed.batch.sequence + sealed.batch.frames\n"
        "        self._mark.publish(self._group, self._segments.current.number, at, last)\n",
        CRASHES,
    ),
    Mutation(
        "a failed fsync taken for a good one",
        "audit/journal/committer.py",
        "        if error is not None:\n            # The page cache",
        "        if error is not None and self._closed:\n            # The page cache",
        FAULTS,
    ),
    Mutation(
        # The same rule stands twice: nothing is scheduled while a group is being synced, and what was
        # scheduled looks again. Either alone is enough today, so only without both is it broken.
        "the next group before the fsync",
        "audit/journal/committer.py",
        "not self._scheduled and self._writing is None and not",
        "not self._scheduled and not",
        FAULTS,
        also=(
            "if self._writing is not None or self.failure or self._closed or self._segments.rotating:",
            "if self.failure or self._closed or self._segments.rotating:",
        ),
    ),
    Mutation(
        "no chain",
        "audit/journal/committer.py",
        'self.chain = sha256(b"\\x00" + entry).digest()',
        "pass",
        CRASHES,
    ),
    Mutation(
        "no request frames",
        "audit/journal/committer.py",
        "            frames += parts\n",
        "            frames += ()\n",
        APPEND,
    ),
    Mutation(
        "a new segment's header without a sync",
        "audit/journal/segments.py",
        "            self._disk.sync(fd)\n            self._disk.rename(",
        "            self._disk.rename(",
        CRASHES,
    ),
    Mutation(
        "a new segment's name without a sync",
        "audit/journal/segments.py",
        "            self._disk.sync_directory(self._directory)\n\n        def finished",
        "\n        def finished",
        CRASHES,
    ),
    Mutation(
        "freeing what the log does not have",
        "audit/journal/segments.py",
        "following.sequence > reached or ",
        "",
        CRASHES,
    ),
    Mutation(
        "freeing what is not sealed",
        "audit/journal/journal.py",
        "self._segments.free(sealed if by_seal else acknowledged, oldest)",
        "self._segments.free(acknowledged, oldest)",
        APPEND,
    ),
    Mutation(
        "a mark that cannot be read is the end of freeing",
        "audit/journal/reached.py",
        "        except OSError as error:\n",
        "        except FileNotFoundError as error:\n",
        APPEND,
        short=True,
    ),
    Mutation(
        "no look again after a look that failed",
        "audit/journal/journal.py",
        "        finally:\n            # Whatever happened",
        "        except ZeroDivisionError:\n            pass\n        else:\n            # Whatever happened",
        APPEND,
    ),
    Mutation(
        "a heartbeat that fails is the last",
        "audit/journal/journal.py",
        "        finally:\n            # As in `_keep_house`",
        "        except ZeroDivisionError:\n            pass\n        else:\n            # As in `_keep_house`",
        APPEND,
    ),
    Mutation(
        "who waits for the log is forgotten after a look that failed",
        "audit/journal/release.py",
        "        finally:\n",
        "        except ZeroDivisionError:\n            pass\n        else:\n",
        APPEND,
    ),
    Mutation(
        "freeing an unanswered request",
        "audit/journal/segments.py",
        " or oldest.number >= oldest_request",
        "",
        APPEND,
    ),
    Mutation(
        "the copy of a recovery without a sync",
        "audit/journal/recover.py",
        "        write_zeros(disk, fd, sum(map(len, content)), size)\n        disk.sync(fd)\n",
        "        write_zeros(disk, fd, sum(map(len, content)), size)\n",
        CRASHES,
    ),
    Mutation(
        "the old segment removed before the copy's name is durable",
        "audit/journal/recover.py",
        "    disk.rename(directory / COPY_NAME, directory / segment_name(number))\n"
        "    disk.sync_directory(directory)\n",
        "    disk.rename(directory / COPY_NAME, directory / segment_name(number))\n",
        CRASHES,
    ),
    Mutation(
        "a directory whose name is not durable",
        "audit/files.py",
        "        mkdir(path)\n    sync(above)\n",
        "        mkdir(path)\n",
        CRASHES,
    ),
    Mutation(
        "removals without a sync",
        "audit/journal/recover.py",
        "        disk.unlink(directory / segment_name(number))\n    disk.sync_directory(directory)\n",
        "        disk.unlink(directory / segment_name(number))\n",
        CRASHES,
    ),
    Mutation(
        "a removal whose sync failed counted as done",
        "audit/journal/recover.py",
        "    with suppress(FileNotFoundError):  # an earlier try",
        "    if segment_name(number) not in disk.list(directory):\n        return\n"
        "    with suppress(FileNotFoundError):  # an earlier try",
        CRASHES,
    ),
    Mutation(
        "a third copy beside an unfinished one",
        "audit/journal/recover.py",
        "            remove_segment(directory, disk, numbers[-2])\n",
        "            pass\n",
        CRASHES,
    ),
    Mutation(
        "an unfinished recovery taken for damage",
        "audit/journal/recover.py",
        "headers[-1].group == headers[-2].group",
        "False",
        CRASHES,
    ),
    Mutation(
        "no look at the mark",
        "audit/journal/recover.py",
        "if mark is not None and (",
        "if False and (",
        RECOVER,
    ),
    Mutation(
        "no look at what the log has",
        "audit/journal/recover.py",
        "if acknowledged > state.sequence:",
        "if False:",
        RECOVER,
    ),
    Mutation(
        "no look for a later group",
        "audit/journal/recover.py",
        "if (later := _later_group(data, offset, header.seed)) is not None:",
        "if (later := None) is not None:",
        RECOVER,
    ),
    Mutation(
        "no checksum of groups",
        "audit/journal/layout.py",
        "    if crc32c_extend(crc32c_extend(crc32c(seed), head), body) != crc:\n",
        "    if crc < 0:\n",
        RECOVER,
    ),
    Mutation(
        "release = log without the log",
        "audit/journal/journal.py",
        "self._release.durable if self._release else self._resolve",
        "self._resolve",
        APPEND,
    ),
    Mutation(
        "a reader beyond the mark",
        "audit/journal/reader.py",
        "self._sequence is None or self._sequence < mark.sequence",
        "True",
        READER,
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{CRASHES} {FAULTS} {APPEND} {GROWTH} {RECOVER} {READER}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
