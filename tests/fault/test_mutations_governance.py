"""Who may answer, and who says so: each rule taken out of a copy, and a test of admission or of deployments fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

EVALUATE = "registry/admission/evaluate.py"
REJECTED = "registry/admission/rejected.py"
CERTIFICATE = "audit/proof/certificate_rules.py"
AGAINST = "audit/proof/certificate_rejected.py"
CHAIN = "audit/proof/certificate_said.py"
SLOTS = "registry/approvals/slots.py"
ONE = "registry/approvals/alone.py"
FAIRNESS = "registry/gates/fairness.py"
TIMES = "registry/admission/times.py"
BOUND = "registry/admission/bound.py"
PUBLISHER = "registry/lineage/publisher.py"
POLICY = "registry/admission/policy.py"
LOAD = "registry/policy/load.py"
ROOT = "registry/approvals/root.py"
KEYS = "registry/approvals/keys.py"
SCHEMES = "registry/approvals/schemes.py"
FOLD = "registry/deployment/fold.py"
STANDING = "registry/deployment/standing.py"
CHANGE = "registry/deployment/change.py"
EVENT = "registry/deployment/event.py"
STATE = "registry/deployment/state.py"
LEDGER = "registry/ledger/ledger.py"
INDEX = "registry/ledger/index.py"
MENTIONS = "registry/ledger/mentions.py"
SEEN = "service/seen.py"
VIEW = "service/view.py"
ADMITTED = "service/admitted.py"
TURNS = "registry/admission/turns.py"
WAY = "service/way.py"

ON = "tests/unit/registry/admission"
OF = f"{ON}/test_bound.py"
AGAIN = f"{ON}/test_asked_again.py"
SAME = "tests/property/test_certificate_rules.py"
FORMS = f"{SAME}::test_both_sides_refuse_another_form_of_a_key"
TWO = f"{SAME}::test_two_keys_of_one_person_are_one_signature_on_both_sides"
ON_KEYS = "tests/unit/registry/approvals/test_keys.py"
TAKEN_BACK = f"{SAME}::test_a_rejection_ends_with_its_authors_plain_approval_on_both_sides"
SIGNED = "tests/unit/registry/policy/test_policy.py"
FAIR = "tests/unit/registry/gates/test_gates_fairness.py"
ALONE = "tests/unit/registry/approvals/test_alone.py"
TOLD = "tests/integration/approvals/test_one_person.py"
CHAIN_OF_ONE = f"{TOLD}::test_one_person_becomes_the_whole_chain_and_hears_so_at_each_step"
SAID = "tests/property/test_mentions.py"
KEPT = "tests/property/test_deployments_kept.py"

COPIED = (
    "audit", "registry", "service", "tests/__init__.py", "tests/components/__init__.py", ON, SAID, KEPT, SAME, SIGNED,
    FAIR, "tests/unit/registry/gates/test_gates.py", "tests/components/packages.py", "examples/credit/policy.yaml",
    "examples/credit/german_credit.csv", "examples/policies/medical.yaml", "docs/policy.schema.json",
    "cli", "monitoring", "tests/components/approvals.py", ALONE, TOLD, ON_KEYS,
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "a signature",
        EVALUATE,
        "if each.holds and digest in each.subjects",
        "if digest in each.subjects",
        ON,
        short=True,
    ),
    Mutation("the digest", EVALUATE, "each.holds and digest in each.subjects", "each.holds", ON),
    Mutation(
        "what was sent again",
        EVALUATE,
        "list(once(each for each in said if",
        "list((each for each in said if",
        ON,
    ),
    Mutation(
        "what a revocation voids",
        EVALUATE,
        "if each.offset > after and not ended(each, revoked)]",
        "if not ended(each, revoked)]",
        ON,
    ),
    Mutation(
        "what was kept back until after a revocation",
        EVALUATE,
        "if each.offset > after and not ended(each, revoked)]",
        "if each.offset > after]",
        ON,
    ),
    Mutation(
        "a revocation that was kept back",
        TIMES,
        "for each in revoked\n    )",
        "for each in list(revoked)[-1:]\n    )",
        ON,
    ),
    Mutation("gate results without a time", TIMES, "    return -math.inf\n", "    return math.inf\n", ON),
    Mutation(
        "a rejection taken back by what was said before",
        REJECTED,
        "at(rejection) <= at(approval) <=",
        "at(approval) <=",
        ON,
    ),
    Mutation(
        "who leaves before a policy is in force",
        POLICY,
        "        person = root.person(key, role, offset)\n",
        "        person = key\n",
        ON,
    ),
    Mutation("a publisher without a name", PUBLISHER, 'not in ("", UNKNOWN)', 'not in ("",)', ON),
    Mutation(
        "the service of an approval",
        EVALUATE,
        'if each.predicate.get("service") != self.service:\n            return f"it is for',
        'if False:\n            return f"it is for',
        ON,
    ),
    Mutation(
        "the policy of an approval",
        EVALUATE,
        'if each.predicate.get("policy") != self.policy.digest:\n            return',
        "if False:\n            return",
        ON,
    ),
    Mutation(
        "a date in the future",
        EVALUATE,
        "if signed > each.logged / 1000 + SKEW or signed > self.now + SKEW:",
        "if False:",
        ON,
    ),
    Mutation(
        "the end of an approval",
        EVALUATE,
        "if valid is not None and self.now >= signed + valid:",
        "if False:",
        ON,
    ),
    Mutation(
        "one person, one role",
        EVALUATE,
        'if by.get(person, each.predicate["role"]) != each.predicate["role"]:',
        "if False:",
        ON,
        short=True,
    ),
    Mutation(
        "a renewal",
        EVALUATE,
        "max(signed.get(person, each), each, key=at)",
        "signed.get(person, each)",
        f"{ON}/test_admission.py::test_of_a_persons_approvals_the_one_that_ends_last_counts",
    ),
    Mutation(
        "an older approval that is no renewal",
        EVALUATE,
        "max(signed.get(person, each), each, key=at)",
        "each",
        f"{ON}/test_admission.py::test_of_a_persons_approvals_the_one_that_ends_last_counts",
    ),
    Mutation(
        "a renewal, of a certificate",
        CERTIFICATE,
        "ends[person] = max(ends.get(person, 0.0), said_at(each) + valid)",
        "ends.setdefault(person, said_at(each) + valid)",
        f"{SAME}::test_a_renewal_moves_the_end_on_both_sides",
    ),
    Mutation(
        "the approval that the table names",
        CERTIFICATE,
        "            if person not in by:\n",
        "            if True:\n",
        f"{SAME}::test_a_renewal_moves_the_end_on_both_sides",
    ),
    Mutation(
        "the publisher", EVALUATE, "in (folded(self.publisher), *self.published):", "in self.published:", ON
    ),
    Mutation(
        "who signed that they published",
        EVALUATE,
        "(folded(self.publisher), *self.published):",
        "(folded(self.publisher),):",
        OF,
    ),
    Mutation("a publication that is asked for", EVALUATE, " + context.publication(about)", "", OF),
    Mutation(
        "who may say that they published",
        EVALUATE,
        "each.type == PUBLISH and self.roots.person(each.author, PUBLISH_ROLE, each.offset) is not None",
        "each.type == PUBLISH",
        OF,
    ),
    Mutation(
        "a clock that was once ahead",
        TIMES,
        " or (each.offset < said.offset and unseen(said, each.offset))",
        "",
        OF,
    ),
    Mutation(
        "a rejection taken back by who had not read of it",
        REJECTED,
        "        and not unseen(approval, rejection.offset)\n",
        "",
        OF,
    ),
    Mutation(
        "what is no offset", TIMES, "found if type(found) is int and found >= 0 else 0", "found or None", OF
    ),
    Mutation(
        "what an approval is of",
        EVALUATE,
        "problem is None and valid is not None and not glass and self.rules.bound",
        "False",
        OF,
    ),
    Mutation("other data", BOUND, "if data_of(was) != data_of(results[-1]):", "if False:", OF),
    Mutation(
        "another verdict",
        BOUND,
        'return f"newer gate results say',
        'return None and f"newer gate results say',
        OF,
    ),
    Mutation("results that are not there", BOUND, "    if was is None:\n", "    if False:\n", OF),
    Mutation(
        "what was read, where approvals are bound",
        BOUND,
        "    if seen(approval) is None:\n",
        "    if False:\n",
        OF,
    ),
    Mutation(
        "an end that lets live go on",
        EVALUATE,
        "fresh, rules.signers, None)",
        "fresh, rules.signers, rules.valid_seconds)",
        OF,
    ),
    Mutation("a publisher whom nobody knows", EVALUATE, "if self.publisher is None:", "if False:", ON),
    Mutation(
        "who judges the gates",
        EVALUATE,
        "            and self.roots.person(each.author, GATES_ROLE, each.offset) is not None\n",
        "",
        ON,
    ),
    Mutation("gates that failed", EVALUATE, 'if verdict == "passed"}', "}", ON),
    Mutation(
        "a gate that is there twice",
        BOUND,
        'verdict if told.get(name, "passed") == "passed" else told[name]',
        "verdict",
        f"{ON}/test_admission.py::test_gates_must_have_passed_by_the_word_of_the_pipeline",
    ),
    Mutation(
        "a gate that is there twice, of a certificate",
        "audit/proof/certificate_bound.py",
        'verdict if told.get(name, "passed") == "passed" else told[name]',
        "verdict",
        f"{SAME}::test_a_gate_that_is_there_twice_has_passed_where_all_of_it_has_on_both_sides",
    ),
    Mutation(
        "what the gates compared with",
        EVALUATE,
        "if was is None or named == was:",
        "if True:",
        ON,
    ),
    Mutation(
        "what was live where they stand",
        EVALUATE,
        "live_at(service, results.offset), results",
        "live_at(service, 1 << 60), results",
        ON,
    ),
    Mutation("a rejection", REJECTED, "if each.type == REJECTION:", "if False:", ON),
    Mutation(
        "a rejection that somebody else's revocation ends",
        EVALUATE,
        "standing(roots, policy, service, may_reject(whole, slot), about)",
        "standing(roots, policy, service, may_reject(whole, slot), fresh)",
        ON,
    ),
    Mutation(
        "the same, of a certificate",
        CERTIFICATE,
        "may_reject(rules, live), about)",
        "may_reject(rules, live), [each for each in about if not revoked or each.offset > revoked[-1].offset])",
        TAKEN_BACK,
    ),
    Mutation(
        "a rejection of who signs for live alone",
        REJECTED,
        'for name in ("live", slot)',
        "for name in (slot,)",
        f"{ON}/test_admission.py",
    ),
    Mutation(
        "a load waits for what was said of data",
        SEEN,
        "        view.ledger.prepare()\n",
        "",
        f"{ON}/test_admitted.py",
    ),
    Mutation(
        "a rejection of who signs for live alone, of a certificate",
        AGAINST,
        "*(live.signers if live is not None else ())",
        "*()",
        f"{SAME}::test_who_signs_for_live_rejects_for_every_slot_on_both_sides",
    ),
    Mutation(
        "a rejection by a key that is gone",
        REJECTED,
        "return (now, said.author) if now is not None else (None, None)",
        "return None, None",
        f"{ON}/test_admission.py::test_a_rejection_does_not_go_with_its_key",
    ),
    Mutation(
        "a rejection by a key that is gone, of a certificate",
        AGAINST,
        "return (then, said.author) if then is not None else None",
        "return None",
        f"{SAME}::test_a_rejection_does_not_go_with_its_key_on_either_side",
    ),
    Mutation(
        "a rejection that another key which is gone takes back",
        REJECTED,
        "(key == each.author and then is not None)",
        "(then is not None and then == who)",
        f"{ON}/test_admission.py::test_what_was_taken_back_stays_so_when_its_key_goes",
    ),
    Mutation(
        "a role that the author of a rejection has no more",
        REJECTED,
        "now = _named(then, roots.now.people(role)) if then is not None else None",
        "now = then",
        f"{ON}/test_admission.py::test_a_rejection_goes_with_the_role_of_its_author",
    ),
    Mutation(
        "a newer policy that cannot be read",
        POLICY,
        "return Unread(said.subjects[0], 0, said.offset, why, _change(content))",
        "return None",
        f"{ON}/test_admission.py::test_a_newer_policy_that_cannot_be_read_is_not_passed_over",
    ),
    Mutation(
        "nothing new under a policy that cannot be read",
        EVALUATE,
        "    if policy.unread is not None:\n",
        "    if False:\n",
        f"{ON}/test_admitted.py::test_a_newer_policy_that_cannot_be_read_lets_nothing_new_in",
    ),
    Mutation(
        "what serves under a policy that cannot be read",
        LEDGER,
        "policy.as_read() if serves and policy is not None else policy",
        "policy",
        f"{ON}/test_admitted.py::test_a_newer_policy_that_cannot_be_read_lets_nothing_new_in",
    ),
    Mutation(
        "that a policy cannot be read is told",
        ADMITTED,
        "if ledger.policy is not None and ledger.policy.unread is not None:",
        "if False:",
        f"{ON}/test_admitted.py::test_a_newer_policy_that_cannot_be_read_lets_nothing_new_in",
    ),
    Mutation(
        "who changes a policy that cannot be read",
        POLICY,
        "wanted = _wanted(root, found) if unread is None else unread.change",
        "wanted = _wanted(root, found)",
        f"{ON}/test_admission.py::test_a_newer_policy_that_cannot_be_read_is_not_passed_over",
    ),
    Mutation(
        "a name that is written otherwise",
        "audit/proof/people.py",
        'normalize("NFKC", normalize("NFKC", name).casefold())',
        "name",
        f"{ON}/test_admission.py::test_a_name_that_is_written_otherwise_is_the_same_persons",
    ),
    Mutation(
        "what is not seen of a name",
        "audit/proof/people.py",
        ' if category(each) not in ("Cc", "Cf")',
        "",
        f"{ON}/test_admission.py::test_a_name_that_is_written_otherwise_is_the_same_persons",
    ),
    Mutation(
        "two names of one person in a root",
        EVALUATE,
        "person = person and named.setdefault(folded(person), person)\n",
        "named.clear()\n",
        f"{ON}/test_admission.py::test_a_name_that_is_written_otherwise_is_the_same_persons",
    ),
    Mutation(
        "two names of one person in a root, of a certificate",
        CERTIFICATE,
        "person = person and named.setdefault(folded(person), person)\n",
        "named.clear()\n",
        f"{SAME}::test_a_name_that_is_written_otherwise_is_the_same_persons_on_both_sides",
    ),
    Mutation(
        "a publisher's name that is written otherwise, of a certificate",
        CERTIFICATE,
        "folded(person) in (folded(self.publisher), *self.published)",
        "person in (self.publisher, *self.published)",
        f"{SAME}::test_a_name_that_is_written_otherwise_is_the_same_persons_on_both_sides",
    ),
    Mutation(
        "what was against it, beside an emergency",
        CERTIFICATE,
        "emergency.judged(glass=True)._replace(rejected=told)",
        "emergency.judged(glass=True)",
        f"{SAME}::test_who_signs_for_live_rejects_for_every_slot_on_both_sides",
    ),
    Mutation(
        "a break-glass that takes a rejection back",
        REJECTED,
        'approval.predicate.get("break_glass") is not True\n',
        "True\n",
        ON,
    ),
    Mutation(
        "the same, of a certificate's",
        AGAINST,
        'approval.predicate.get("break_glass") is not True\n',
        "True\n",
        TAKEN_BACK,
    ),
    Mutation(
        "an approval under another policy that takes a rejection back",
        REJECTED,
        'approval.predicate.get("policy") in (policy.digest, None if then is None else then.digest)',
        "True",
        ON,
    ),
    Mutation(
        "the policy of that time, under which a rejection was taken back",
        REJECTED,
        "(policy.digest, None if then is None else then.digest)",
        "(policy.digest,)",
        ON,
    ),
    Mutation(
        "an approval of the future that takes a rejection back",
        REJECTED,
        " <= approval.logged / 1000 + SKEW",
        "",
        ON,
    ),
    Mutation(
        "a role that was given later",
        ROOT,
        "return None if then is None else self.now.person(key, role, offset)",
        "return self.now.person(key, role, offset)",
        ON,
    ),
    Mutation(
        "a role that was given later, of a certificate",
        CHAIN,
        "return None if then is None else self.now.person(key, role, offset)",
        "return self.now.person(key, role, offset)",
        f"{SAME}::test_a_role_given_later_counts_for_nothing_before_on_both_sides",
    ),
    Mutation(
        "a role that was lost since",
        ROOT,
        "return None if then is None else self.now.person(key, role, offset)",
        "return then",
        ON,
    ),
    Mutation(
        "a slot that wants nobody, after a revocation",
        EVALUATE,
        "if revoked and not rules.signers:",
        "if False:",
        ON,
    ),
    Mutation(
        "the same slot, of a certificate",
        CERTIFICATE,
        "if revoked and not rules.signers:",
        "if False:",
        f"{SAME}::test_a_slot_that_wants_nobody_comes_back_on_both_sides",
    ),
    Mutation(
        "the publisher in an emergency",
        EVALUATE,
        "emergency = context.count(fresh,",
        'emergency = replace(context, publisher="", published=frozenset()).count(fresh,',
        ON,
        ("from dataclasses import dataclass\n", "from dataclasses import dataclass, replace\n"),
    ),
    Mutation(
        "a canary that says nothing of what it needs",
        SLOTS,
        "key not in section.canary.model_fields_set",
        "False",
        SIGNED,
    ),
    Mutation("a canary for which nobody signs", SLOTS, " if each.unsigned)", " if each.open)", ALONE),
    # ---------------------------------------------------------------- one person alone
    Mutation(
        "one signature", ONE, "if sum(roles.values()) == 1 else None", "if False else None", ALONE, short=True
    ),
    Mutation(
        "two people of one role", ONE, "if sum(roles.values()) == 1 else", "if len(roles) == 1 else", ALONE
    ),
    Mutation(
        "a pipeline that approves",
        ONE,
        "                if role in RESERVED:\n",
        "                if False:\n",
        ALONE,
    ),
    Mutation("a threshold of one", ONE, ".threshold == 1\n", ".threshold == 0\n", ALONE),
    Mutation("the first policy's one signer", ONE, "        counted[POLICY_ROLE] = ", "        _ = ", ALONE),
    Mutation(
        "a root without roles that all need",
        ONE,
        "        if not holders(root, role)\n",
        "        if False\n",
        ALONE,
    ),
    Mutation(
        "a policy that is proposed by one",
        "cli/approvals_policy.py",
        ", *warnings(policy), *in_vain(policy))))",
        ", *in_vain(policy))))",
        CHAIN_OF_ONE,
    ),
    Mutation(
        "a root that is signed by one",
        "cli/approvals_roots_sign.py",
        "    warned = warn_of(content)\n",
        "    warned = []\n",
        CHAIN_OF_ONE,
    ),
    Mutation(
        "a doctor who says nothing of it",
        "cli/doctor_governance.py",
        "    for each in found:\n",
        "    for each in ():\n",
        CHAIN_OF_ONE,
    ),
    Mutation(
        "a column that comes twice",
        "registry/policy/attributes.py",
        "each.column if columns[each.column] == 1 else",
        "each.column if True else",
        FAIR,
    ),
    Mutation(
        "a column that comes twice, judged once",
        FAIRNESS,
        "in named(limits.attributes)]",
        "in dict(named(limits.attributes[-1:])).items()]",
        FAIR,
    ),
    Mutation(
        "a canary that only has its share",
        ADMITTED,
        'if entry.slot != "canary" or ask(',
        "if True or ask(",
        ON,
    ),
    Mutation(
        "who revokes",
        EVALUATE,
        "return any(root.person(key, role, offset) is not None for role in roles)",
        "return True",
        ON,
    ),
    Mutation(
        "a revoker's policy", EVALUATE, "for one in (policy, policy.at(offset)):", "for one in (policy,):", ON
    ),
    Mutation(
        "a policy sent again",
        POLICY,
        "once(one for one in said if one.type == POLICY and one.holds)",
        "(one for one in said if one.type == POLICY and one.holds)",
        ON,
    ),
    Mutation("integers of any size", TIMES, "with suppress(OverflowError):", "with suppress(KeyError):", ON),
    Mutation(
        "an older policy", POLICY, "if newest is not None and version <= newest.version:", "if False:", ON
    ),
    Mutation("who changes the policy", POLICY, "if role in wanted:", "if True:", ON),
    Mutation("a root's signatures", ROOT, "if there < wanted:", "if False:", ON),
    Mutation(
        "the root before",
        ROOT,
        "self.version != previous.version + 1 or self.content.previous != previous.digest",
        "False",
        ON,
    ),
    Mutation("two keys of a person", ROOT, "found.add(key.person)", "found.add(name)", TWO),
    Mutation(
        "two keys of a person, of a certificate",
        CHAIN,
        "{each.person for each in keys if each.until",
        "{each.public.hex() for each in keys if each.until",
        TWO,
    ),
    Mutation(
        "what a key elsewhere signed",
        KEYS,
        "if not holds(self.public_key, value, message):",
        "if False:",
        ON_KEYS,
    ),
    Mutation(
        "a scheme that nobody has", SCHEMES, "if scheme not in SIGNER_FOR_URI_SCHEME:", "if False:", ON_KEYS
    ),
    Mutation(
        "a key that its scheme does not sign with", SCHEMES, "if kind not in kinds:", "if False:", ON_KEYS
    ),
    Mutation(
        "a key that is no point",
        ROOT,
        "        parse_key(bytes.fromhex(public))\n",
        "        bytes.fromhex(public)\n",
        FORMS,
    ),
    Mutation("another spelling of a key", ROOT, 'pattern=r"^(?:[0-9a-f]{2})+$"', 'pattern=r"."', FORMS),
    Mutation(
        "a key that is no point, of a certificate",
        CHAIN,
        "    parse_key(bytes.fromhex(public))\n",
        "",
        FORMS,
    ),
    Mutation(
        "another spelling of a key, of a certificate",
        CHAIN,
        "not _FORM.fullmatch(public)",
        "not public",
        FORMS,
    ),
    Mutation(
        "a rotated key",
        ROOT,
        "found.person if found.until is None or offset < found.until else None",
        "found.person",
        ON,
    ),
    Mutation("who deploys", FOLD, "    if not person:\n", "    if False:\n", ON),
    Mutation("the event before", FOLD, "    if content.after != before.after:\n", "    if False:\n", ON),
    Mutation("an event that was kept back", FOLD, "said.kept_back(content.at)", "False", ON),
    Mutation(
        "what a controller may",
        FOLD,
        'if role == CONTROLLER_ROLE and content.action not in ("rollback", "step"):',
        "if False:",
        ON,
    ),
    Mutation("a pause", FOLD, "if before.paused and (role", "if False and (role", ON),
    Mutation("a pause that moves", FOLD, "if kept and tuple(content.plan) != before.plan:", "if False:", ON),
    Mutation(
        "a pause that a rollback ends", STANDING, 'self.paused and content.action == "rollback"', "False", ON
    ),
    Mutation(
        "an event sent again",
        FOLD,
        "        if (said.author, said.raw) in service.refused:\n",
        "        if False:\n",
        f"{ON} {KEPT}",
    ),
    Mutation(
        "an event's signature",
        FOLD,
        "        if said.type != DEPLOYMENT or not said.holds:\n",
        "        if said.type != DEPLOYMENT:\n",
        ON,
        ("if each.type == DEPLOYMENT and each.holds)", "if each.type == DEPLOYMENT)"),
    ),
    Mutation("what a rollback has left", CHANGE, "(to is not None or digest not in left)", "True", ON),
    Mutation("what is admitted", CHANGE, "        if not reasons and (", "        if (", ON),
    Mutation("shares", EVENT, "    if abs(total - 1) > _ROUNDING:\n", "    if False:\n", ON),
    Mutation(
        "one live package", EVENT, 'if sum(each.slot == "live" for each in plan) != 1:', "if False:", ON
    ),
    Mutation(
        "what a new root changes",
        LEDGER,
        "                del self._checked[offset]\n",
        "                pass\n",
        ON,
    ),
    Mutation("what only names a digest", LEDGER, " if digest in each.subjects]", "]", ON),
    Mutation("an escaped letter", MENTIONS, 'b"\\\\" not in body and ', "", SAID),
    Mutation("another coding", MENTIONS, ' and b"\\0" not in body', "", SAID),
    Mutation(
        "a part that comes twice",
        MENTIONS,
        " or not _SIGNATURE.fullmatch(request, end + len(_TYPE))",
        "",
        SAID,
    ),
    Mutation("an escaped payload", MENTIONS, "strict_mode=True", "strict_mode=False", SAID),
    Mutation(
        "an index's hash",
        INDEX,
        "if sha256(memoryview(raw)[:-_SHA256]).digest() != raw[-_SHA256:]:",
        "if False:",
        ON,
    ),
    Mutation("an index beyond its end", INDEX, "if found and max(found) >= self._end:", "if False:", ON),
    Mutation(
        "an index of another log",
        VIEW,
        "        if covered == self.covered:\n",
        "        if True:\n",
        ON,
    ),
    Mutation(
        "a reader of a log that was",
        SEEN,
        "start, end = reader.bounds(PARTITION)\n            reader = self._going_on(reader, (start, end))",
        "reader = self._reader or reader\n            start, end = reader.bounds(PARTITION)",
        ON,
    ),
    Mutation(
        "events folded under another root",
        LEDGER,
        "                self._fold_anew()\n        return self._roots\n",
        "                pass\n        return self._roots\n",
        ON,
    ),
    Mutation(
        "a kept event that nobody signed",
        FOLD,
        "if said is None or said.type != DEPLOYMENT or not said.holds:",
        "if said is None:",
        KEPT,
    ),
    Mutation(
        "a kept event that does not count", FOLD, "(service.since and event.void is not None)", "False", KEPT
    ),
    Mutation("a kept event of nobody who may", FOLD, "not event.person or ", "", KEPT),
    Mutation(
        "an event that waits",
        STANDING,
        "        return after == newest or (\n",
        "        return after == newest or False and (\n",
        KEPT,
    ),
    Mutation(
        "strangers who come to be known",
        LEDGER,
        "if set(map(key_id, keys)).isdisjoint(strangers):",
        "if True:",
        ON,
    ),
    Mutation(
        "an entry's time",
        VIEW,
        "self.hash.update(length + time + value)",
        "self.hash.update(length + value)",
        ON,
    ),
    Mutation("a memory of before", VIEW, "bool(remembered == self.values.hexdigest())", "True", ON),
    Mutation(
        "JSON that is not canonical", LOAD, "found if found.canonical() == data else None", "found", SIGNED
    ),
    Mutation(
        "a canonical form read as YAML",
        LOAD,
        "if (found := _canonical(data)) is not None:",
        "if (found := _canonical(data)) is not None and False:",
        SIGNED,
    ),
    # ---------------------------------------------------------------- what was judged before
    Mutation("a verdict of another policy", LEDGER, "self.policy is policy and ", "", AGAIN),
    Mutation("a verdict of fewer statements", LEDGER, "self.about == about and ", "", AGAIN),
    Mutation("a verdict of before", LEDGER, " <= now < self.until", " <= now", AGAIN, short=True),
    Mutation(
        "a verdict on what serves",
        LEDGER,
        "asked = (service, digest, slot, publisher, serves)",
        "asked = (service, digest, slot, publisher, False)",
        AGAIN,
    ),
    Mutation("a clock that went back", LEDGER, "self.since <= now < self.until", "now < self.until", AGAIN),
    Mutation(
        "judged each time",
        LEDGER,
        "if known is None or not known.holds(",
        "if True or not known.holds(",
        AGAIN,
    ),
    Mutation(
        "the end of an approval, foreseen", TURNS, "{each.valid_seconds for each in slots}", "set()", AGAIN
    ),
    Mutation(
        "the end of a break-glass, foreseen",
        TURNS,
        "{each.break_glass_seconds for each in slots}",
        "set()",
        AGAIN,
    ),
    Mutation("what is dated ahead, foreseen", TURNS, "{-SKEW} | ", "set() | ", AGAIN),
    Mutation("a look that gives way", SEEN, "Ledger(first, GiveWay())", "Ledger(first)", AGAIN),
    Mutation("a rest at each signature", LEDGER, "                self._rest()\n", "", AGAIN),
    Mutation("a rest at each call", WAY, ">= STEP_SECONDS", ">= 0", AGAIN),
    Mutation("a shorter log", SEEN, "        if end < known.end:\n", "        if False:\n", ON),
    Mutation(
        "another log",
        SEEN,
        "if view.end == known.end and not view.is_of(known.hash):",
        "if False:",
        ON,
    ),
    Mutation(
        "another first root", SEEN, "        if known.root != first.digest:\n", "        if False:\n", ON
    ),
    Mutation(
        "a clock set back", SEEN, "clock=max(known.clock, min(clock, ", "clock=min(clock, max(clock, ", ON
    ),
    Mutation("a clock set back, judged by", SEEN, "clock=max(clock, known.clock)", "clock=clock", ON),
    Mutation(
        "a clock that was ahead",
        SEEN,
        "min(clock, max(known.clock + PACE * passed, view.newest / 1000))",
        "clock",
        ON,
    ),
    Mutation("a standstill", SEEN, "known.clock + PACE * passed", "known.clock + passed", ON),
    Mutation("what the log says of the time", SEEN, "view.newest / 1000", "0.0", ON),
    Mutation("a memory that is gone", SEEN, "if known is None and self._view is not None:", "if False:", ON),
    Mutation("a canary's share", ADMITTED, "        if excess is None:\n", "        if True:\n", ON),
    Mutation(
        "canaries together",
        STATE,
        "share = math.fsum(each.weight for each in canaries)",
        "share = max((each.weight for each in canaries), default=0.0)",
        ON,
    ),
    Mutation(
        "a share of what then answers",
        ADMITTED,
        'total = math.fsum(each.weight for each in own if each.slot != "shadow")',
        "total = 100.0",
        ON,
    ),
    Mutation("the weight of what stands in", ADMITTED, "if wanted is not None:", "if False:", ON),
    Mutation(
        "what a rollback has left, when live may not", ADMITTED, "if entry.digest in left:", "if False:", ON
    ),
    Mutation(
        "what a rollback has left, when live cannot be loaded", ADMITTED, " or digest in left:", ":", ON
    ),
    Mutation(
        "what a rollback leaves",
        STANDING,
        'if self.lives and content.action == "rollback":',
        "if False:",
        ON,
    ),
    Mutation("a worker that is new", SEEN, "known or self._of_others(first) or", "known or", ON),
    Mutation(
        "a checkpoint that was asked for",
        SEEN,
        "if known.checkpoint and self._trees is None:",
        "if False:",
        ON,
    ),
    Mutation(
        "what the log deploys",
        ADMITTED,
        "*(each for each in entries if each.service not in plans),",
        "*entries,",
        ON,
    ),
    Mutation(
        "governance that was", ADMITTED, "        if path.parent.is_dir():\n", "        if False:\n", ON
    ),
    Mutation(
        "a fallback that may not",
        ADMITTED,
        "if _may(entry, ask(entry), known.served, ledger.policy):",
        "if True:",
        ON,
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, ON)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
