"""Rows of the record's dashboard: what the notary seals, and whether all that was answered is sealed."""

from __future__ import annotations

from .form import BAD, RATE, WARN, Ground, Panel, Query, Row, Step, above, lines, number

_TREE = "{{topic}}/{{partition}}"


def notary(ground: Ground) -> Row:
    """Trees, checkpoints, witnesses, the archive."""
    limits = ground.limits
    return Row(
        "Notary and archive",
        (
            lines(
                "Age of what is not sealed",
                "Age of the oldest record of a partition that the notary has not sealed; 0 when there is none.",
                ("affiant_notary_lag_seconds", _TREE),
                unit="s",
                least=0,
                steps=above(limits.notary_seconds_warn, limits.notary_seconds_page),
                alerts=("AffiantNotaryBehind",),
            ),
            lines(
                "Not sealed, not published, not archived",
                "Offsets not sealed; sealed leaves that no published checkpoint covers; leaves not in the archive.",
                ("affiant_notary_lag_records", f"{_TREE} not sealed"),
                ("affiant_notary_tree_size - affiant_notary_published_size", f"{_TREE} not published"),
                ("affiant_notary_archive_lag_records", f"{_TREE} not archived"),
                unit="none",
                least=0,
            ),
            lines(
                "Age of the checkpoint",
                "Since the newest checkpoint was signed or renewed: a notary that is well renews it every few seconds.",
                ("affiant_notary_checkpoint_age_seconds", _TREE),
                unit="s",
                least=0,
                steps=(Step(limits.checkpoint_seconds_warn, "orange"),),
                alerts=("AffiantCheckpointOld",),
            ),
            lines(
                "Leaves sealed",
                "Leaves of each partition's tree that are sealed.",
                ("affiant_notary_tree_size", _TREE),
                unit="none",
            ),
            lines(
                "Witnesses",
                "Witnesses that do not vouch for the newest checkpoint, and failures a second to get their word.",
                ("affiant_notary_witnesses_missing", f"{_TREE} missing"),
                (f"rate(affiant_notary_witness_failures_total[{RATE}])", f"{_TREE} failures"),
                unit="none",
                least=0,
                alerts=("AffiantWitnessMissing",),
            ),
            lines(
                "Holes, duplicates, crashes",
                "Since the notary's start: offsets sealed as a hole, benign duplicates, gateways that had crashed.",
                ("affiant_notary_holes_total", f"{_TREE} holes"),
                ("affiant_notary_duplicates_total", f"{_TREE} duplicates"),
                ("affiant_notary_unclean_openings_total", f"{_TREE} gateway crashes"),
                unit="none",
                least=0,
            ),
            number(
                "Things found wrong",
                "Alarms of the notary since its start: changed, missing or reordered records. Must be 0.",
                "sum(affiant_notary_alarms_total) or 0 * sum(affiant_notary_tree_size)",
                unit="none",
                steps=BAD,
                alerts=("AffiantNotaryAlarm",),
            ),
            number(
                "Alarms not told yet",
                "Alarms that the governance log does not have yet.",
                "sum(affiant_notary_alarms_untold)",
                unit="none",
                steps=WARN,
                alerts=("AffiantAlarmsUntold",),
            ),
            Panel(
                "Alarms by kind",
                "What was found wrong, where: the manual of the notary says what each means.",
                (Query("sum by (topic, partition, alarm) (affiant_notary_alarms_total)"),),
                unit="none",
                kind="table",
                width=16,
                alerts=("AffiantNotaryAlarm",),
            ),
        ),
    )


def completeness(ground: Ground) -> Row:
    """Whether all that was answered is recorded, and all that is recorded is sealed."""
    late = Step(ground.limits.completeness_hours_warn * 3600, "orange")
    return Row(
        "Completeness: answered = recorded = sealed (`affiant audit completeness --textfile`)",
        (
            number(
                "Entries missing",
                "Entries that are recorded and not sealed. Must be 0.",
                "sum(affiant_audit_missing)",
                unit="none",
                steps=BAD,
                alerts=("AffiantRecordsMissing",),
            ),
            number(
                "Answers without an entry",
                "Answers that gateways counted and of which there is no sealed entry. Must be 0.",
                "sum(affiant_audit_unrecorded)",
                unit="none",
                steps=BAD,
                alerts=("AffiantAnswersUnrecorded",),
            ),
            number(
                "Not sealed in time",
                "Entries that were not sealed in the time that was waited.",
                "sum(affiant_audit_behind)",
                unit="none",
                steps=WARN,
            ),
            number(
                "Last looked",
                "How long ago completeness was looked at.",
                "time() - max(affiant_audit_looked_seconds)",
                unit="s",
                steps=(late,),
                alerts=("AffiantCompletenessOld",),
            ),
            lines(
                "In total",
                "By journal: answers that the gateway counted, entries by their sequence, entries that are sealed.",
                ("affiant_audit_answered", "{{journal}} counted by the gateway"),
                ("affiant_audit_answers", "{{journal}} of these with an entry"),
                ("affiant_audit_recorded", "{{journal}} recorded"),
                ("affiant_audit_sealed", "{{journal}} sealed"),
                unit="none",
            ),
            lines(
                "In the newest minute",
                "The same of each journal's newest minute.",
                ("affiant_audit_minute_answered", "{{journal}} counted by the gateway since the last look"),
                ("affiant_audit_minute_answers", "{{journal}} answers"),
                ("affiant_audit_minute_recorded", "{{journal}} recorded"),
                ("affiant_audit_minute_sealed", "{{journal}} sealed"),
                unit="none",
            ),
        ),
    )
