"""Each guard of the notary and of its stores is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

FAULTS = "tests/fault/notary/test_faults.py -k call"
REFUSALS = "tests/fault/notary/test_refusals.py"
DURABLE = "tests/fault/notary/test_directory.py"
HOLES = "tests/unit/audit/notary/test_holes.py"
STATES = "tests/unit/audit/notary/test_state.py"
OBJECTS = "tests/integration/test_objects_conformance.py"
IN_DIRECTORY = f"{OBJECTS} -k directory"
IN_BUCKET = f"{OBJECTS} -k s3"
WITNESSES = "tests/integration/test_notary_witness.py"
COSIGNED = "tests/unit/audit/notary/test_cosigning.py"
BELIEVING = "tests/unit/audit/objects/test_believing.py"
FOLLOWED, RENEWED = "audit/renewed.py", "tests/unit/audit/test_renewed.py"
NEWS = "tests/unit/audit/test_news.py"
SESSIONS = "tests/unit/audit/notary/test_session.py"
NOTES = "tests/unit/audit/notary/test_noted.py"
NOTARY_TESTS = "tests/integration/test_notary.py"
SIGNED = "tests/unit/audit/notary/test_signers.py -k signature"
LOCKED = "tests/integration/test_notary_locked.py"
NOTARIES = f"{NOTARY_TESTS} -k begun"
COPIED = (
    "audit",
    "docs/sealed-log.md",
    "scripts",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/notary",
    "tests/fault/ship",
    "tests/golden/journal",
    OBJECTS,
    "tests/unit/audit/objects/test_bucket.py",
    BELIEVING,
    RENEWED,
    NEWS,
    WITNESSES,
    NOTARY_TESTS,
    LOCKED,
    "tests/unit/audit/notary",
)

SEAL, HEAD, GROWTH = "audit/notary/seal.py", "audit/notary/head.py", "audit/notary/growth.py"
STATE, ENTRIES, WITNESS = "audit/notary/state.py", "audit/notary/holes.py", "audit/notary/witness.py"
COSIGNING, TOPICS = "audit/notary/cosigning.py", "audit/notary/topics.py"
SESSION, SIGNERS = "audit/notary/session.py", "audit/notary/signers.py"
FILES = "audit/files.py"
DIRECTORY, BUCKET, NAMES = "audit/objects/directory.py", "audit/objects/bucket.py", "audit/objects/names.py"

MUTATIONS = (
    Mutation(
        # Whatever is there is replaced: the last one wins.
        "no compare-and-swap",
        HEAD,
        "            return self._objects.swap(self.name(path), content, version)\n",
        "            found = self._objects.get(self.name(path))\n"
        "            return self._objects.swap(self.name(path), content, found and found.version)\n",
        REFUSALS,
        short=True,
    ),
    Mutation(
        "no re-hash",
        SEAL,
        "            root = self._read_again(growth)\n",
        "            root = growth.root()\n",
        REFUSALS,
        short=True,
    ),
    Mutation(
        "no check of the published checkpoint",
        HEAD,
        "        self._continues(published)\n",
        "        self._published = published\n",
        REFUSALS,
    ),
    Mutation(
        "objects are replaced, not created once",
        DIRECTORY,
        "            return write_once(path, content)\n",
        "            replace_file(path, content)\n            return True\n",
        IN_DIRECTORY,
    ),
    Mutation(
        "objects are replaced, not created once, in a bucket",
        BUCKET,
        'content, mode="create", use_multipart=False)',
        'content, mode="overwrite", use_multipart=False)',
        IN_BUCKET,
    ),
    Mutation(
        "a published checkpoint need not be continued",
        HEAD,
        "        verify_consistency(published.size,",
        "        (lambda *_: None)(published.size,",
        REFUSALS,
    ),
    Mutation(
        "a state need not be signed",
        HEAD,
        "        if checkpoint != Checkpoint(state.origin, state.size, state.root):",
        "        if False:",
        REFUSALS,
    ),
    Mutation(
        "a lost state is a new tree",
        HEAD,
        "            self._is_new()\n",
        "",
        REFUSALS,
    ),
    Mutation(
        "files before the first state",
        SEAL,
        "            if head.first:\n                self._begin()\n",
        "",
        FAULTS,
    ),
    Mutation(
        "the signer is believed",
        SEAL,
        "            open_checkpoint(note, self.tree.key(self._signer.public_key))\n",
        "            pass\n",
        REFUSALS,
    ),
    Mutation(
        "published before the state is swapped",
        SEAL,
        "            # 4. The state",
        "            head.publish(note)\n            # 4. The state",
        FAULTS,
    ),
    Mutation(
        "sealed before the files are written",
        SEAL,
        "            self._create(growth.tiles())\n",
        "",
        FAULTS,
        also=(
            "            self._growth = growth.sealed()\n",
            "            self._create(growth.tiles())\n            self._growth = growth.sealed()\n",
        ),
    ),
    Mutation(
        "files of another content are passed over",
        SEAL,
        " or self._head.fetch(path) == content\n",
        " or True\n",
        REFUSALS,
    ),
    Mutation(
        "tiles before bundles",
        SEAL,
        "            self._create(growth.bundles())\n            self._create(growth.tiles())\n",
        "            self._create(growth.tiles())\n            self._create(growth.bundles())\n",
        REFUSALS,
    ),
    Mutation(
        "a head may be signed again",
        SEAL,
        "return self.state.checkpoint if checkpoint.size == self.state.size else self._signed(checkpoint)",
        "return self._signed(checkpoint)",
        REFUSALS,
    ),
    Mutation(
        "a witness that is away is told of at each head",
        SESSION,
        "for reason in sealed.news:",
        "for reason in sealed.missing:",
        SESSIONS,
    ),
    Mutation(
        "numbers make another reason",
        "audit/news.py",
        '_NUMBER.sub("", message)',
        "message",
        SESSIONS,
    ),
    Mutation(
        "every reason is remembered",
        "audit/news.py",
        "if len(self._said) > MOST:",
        "if False:",
        NEWS,
    ),
    Mutation(
        "a reason that is given again is forgotten",
        "audit/news.py",
        "            self._said.pop(kind, None)\n",
        "",
        NEWS,
    ),
    Mutation(
        "a store's authorities are read once",
        FOLLOWED,
        "if seen == self._good:",
        "if True:",
        BELIEVING,
    ),
    Mutation(
        "a file of no authorities ends the store's use",
        FOLLOWED,
        "        except AuditError as error:\n            self._failed",
        "        except KeyError as error:\n            self._failed",
        BELIEVING,
    ),
    Mutation(
        "a file of no authorities is told of at each request",
        FOLLOWED,
        "            if self._why != before:",
        "            if True:",
        RENEWED,
    ),
    Mutation(
        "a renewed file that failed once is tried no more",
        FOLLOWED,
        " or self._clock() - self._tried >= _AGAIN:",
        ":",
        RENEWED,
        short=True,
    ),
    Mutation(
        "a file that is none is read at each connection",
        FOLLOWED,
        "self._clock() - self._tried >= _AGAIN",
        "True",
        RENEWED,
    ),
    Mutation(
        "no quorum",
        SEAL,
        "        if len(vouched.signatures) >= self._quorum:",
        "        if True:",
        REFUSALS,
    ),
    Mutation(
        "a seal goes on after an error",
        SEAL,
        "        except BaseException:\n            self._ended = True\n            raise",
        "        except BaseException:\n            raise",
        REFUSALS,
    ),
    Mutation(
        "tiles are not compared with what was hashed",
        GROWTH,
        "            if raw != content:",
        "            if False:",
        REFUSALS,
    ),
    Mutation(
        "sealed entries of a bundle are not read again",
        GROWTH,
        '            if known and b"".join(leaves[:known]) != _leaves(self._sealed):',
        "            if False:",
        REFUSALS,
    ),
    Mutation(
        "the tiles' root need not be the state's",
        GROWTH,
        "        if edge.root() != root:",
        "        if False:",
        REFUSALS,
    ),
    Mutation(
        "the last entries need not be those of the tree",
        GROWTH,
        '        if b"".join(map(leaf_hash, tail)) != _leaves(edge):',
        "        if False:",
        REFUSALS,
    ),
    Mutation(
        "a begun file of the archive changes",
        STATE,
        "            fixed = len(self.archive_heads())\n",
        "            fixed = 0\n",
        STATES,
    ),
    Mutation(
        "a payload is not held to its entry",
        ENTRIES,
        "    if sha256(payload).digest() != entry.fields.get(_DIGEST):",
        "    if False:",
        HOLES,
    ),
    Mutation(
        "anybody makes holes",
        ENTRIES,
        "    if entry.fields[0] == _HOLE:",
        "    if False:",
        HOLES,
    ),
    Mutation(
        "a swap does not look at what is there",
        DIRECTORY,
        "                if (None if found is None else _version(found)) != version:",
        "                if False:",
        IN_DIRECTORY,
    ),
    Mutation(
        "a swap without a lock",
        DIRECTORY,
        "        fcntl.flock(descriptor, fcntl.LOCK_EX)\n",
        "",
        IN_DIRECTORY,
    ),
    Mutation(
        "replaced before it is synced",
        FILES,
        "            os.fsync(file.fileno())\n",
        "",
        DURABLE,
    ),
    Mutation(
        "a replaced file's name is not synced",
        FILES,
        "nobody was told of the new one.\n    sync_directory(path.parent)\n",
        "nobody was told of the new one.\n",
        DURABLE,
    ),
    Mutation(
        "a new directory's name is not synced",
        DIRECTORY,
        "        make_directory(directory)\n",
        "        directory.mkdir(parents=True, exist_ok=True)\n",
        DURABLE,
    ),
    Mutation(
        "names lead out of the store",
        NAMES,
        "not _NAME.fullmatch(name)",
        "not name",
        IN_DIRECTORY,
    ),
    Mutation(
        "a swap does not look at what is there, in a bucket",
        BUCKET,
        'mode="create" if version is None else {"e_tag": version},',
        'mode="overwrite",',
        IN_BUCKET,
    ),
    Mutation(
        "objects without their checksum, which a locked bucket refuses",
        BUCKET,
        '"checksum_algorithm": "SHA256", ',
        "",
        "tests/unit/audit/objects/test_bucket.py",
    ),
    Mutation(
        "a wrong bucket is an empty store",
        BUCKET,
        "            except AlreadyExistsError:\n                return False\n",
        "            except (AlreadyExistsError, FileNotFoundError):\n                return False\n",
        OBJECTS,
    ),
    Mutation(
        "cosignatures are not verified",
        WITNESS,
        "                    verify_note(type(signed)(signed.text, (line,)), [self.key])\n",
        "",
        WITNESSES,
    ),
    Mutation(
        "whoever is late is waited for",
        COSIGNING,
        "        wait(waiting, self._late)\n",
        "        wait(waiting, 60)\n",
        COSIGNED,
    ),
    Mutation(
        "the quorum is not waited for",
        COSIGNING,
        "        while waiting and len(self._signatures(note)) < self._quorum:",
        "        while False:",
        COSIGNED,
    ),
    Mutation(
        "an answer to another head counts",
        COSIGNING,
        "    return asked.note == note and _answered(asked)",
        "    return _answered(asked)",
        COSIGNED,
    ),
    Mutation(
        "whatever witnesses say, new heads are signed",
        COSIGNING,
        "        if contradict and len(self._cosigners)",
        "        if False and len(self._cosigners)",
        SESSIONS,
    ),
    Mutation(
        "a start signs before it asks",
        SESSION,
        "        if self._witnessed:\n",
        "        if False:\n",
        SESSIONS,
    ),
    Mutation(
        "told to end, a silent log is waited for",
        SESSION,
        "            elif self._shop.monotonic() - now >= END_SECONDS:",
        "            elif False:",
        SESSIONS,
    ),
    Mutation(
        "lost payloads are not told",
        SESSION,
        "                self._unarchived(offset, entry)\n",
        "",
        SESSIONS,
    ),
    Mutation(
        "the archive outruns the alarm",
        SESSION,
        "        if self._due(now) or self._payload_lost:",
        "        if self._due(now):",
        SESSIONS,
    ),
    Mutation(
        "what cannot be confirmed is renewed with",
        SESSION,
        "                    self._renew()  # what is sealed",
        "                    self._vouched(lambda: self._seal.seal(self._watch.state()))  # what is sealed",
        SESSIONS,
    ),
    Mutation(
        "a lost store is a new one",
        TOPICS,
        "            self._not_begun(topic)\n",
        "",
        NOTARIES,
    ),
    Mutation(
        "a lost tree is a new one",
        HEAD,
        "        if self._begun:\n",
        "        if False:\n",
        NOTARIES,
    ),
    Mutation(
        "anybody says that trees are begun",
        TOPICS,
        " or found.type != BEGUN or not found.holds:",
        " or found.type != BEGUN:",
        NOTARIES,
    ),
    Mutation(
        "a retried write is another notary's",
        TOPICS,
        "            if there is None or there.content != content:",
        "            if True:",
        NOTES,
    ),
    Mutation(
        "two notaries write one note",
        TOPICS,
        "        self._writer = os.urandom(4).hex()\n",
        '        self._writer = ""\n',
        NOTES,
    ),
    Mutation(
        "what a command signs is believed",
        SIGNERS,
        "            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)\n",
        "            pass\n",
        SIGNED,
    ),
    Mutation(
        "a signer that does not answer ends the notary",
        "audit/notary/partition.py",
        "LogUnavailable, LogCut, SignerUnavailable, WitnessContradicts)",
        "LogUnavailable, LogCut, WitnessContradicts)",
        SESSIONS,
    ),
    Mutation(
        "payloads in the clear are locked",
        "audit/notary/locked.py",
        "    if settings.payload_store is None or",
        "    if False and",
        LOCKED,
    ),
    Mutation(
        "a directory is a locked bucket",
        "audit/settings.py",
        "        if self.object_lock and (self.store is None",
        "        if False and (self.store is None",
        LOCKED,
    ),
    Mutation(
        "the bucket is not asked",
        "audit/notary/notary.py",
        "            self._check_lock(note_name(topic.name))\n",
        "",
        LOCKED,
    ),
    Mutation(
        "a witness may know more",
        WITNESS,
        "        if known > checkpoint.size:",
        "        if False:",
        WITNESSES,
    ),
    Mutation(
        "a witness that finds a fork is left out",
        WITNESS,
        "            if answer.status == 422:",
        "            if False:",
        WITNESSES,
    ),
    Mutation(
        "a conflict is the end",
        WITNESS,
        "            if answer.status == 409:",
        "            if False:",
        WITNESSES,
    ),
    Mutation(
        "answers without a bound",
        WITNESS,
        "                if len(content) > MAX_ANSWER:",
        "                if False:",
        WITNESSES,
    ),
    Mutation(
        "an absent witness is asked each time",
        WITNESS,
        "        if self._clock() < self._not_before:",
        "        if False:",
        WITNESSES,
    ),
)


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
