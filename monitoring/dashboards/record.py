"""The record's way: journal, sidecar, log, notary, archive; and whether all that was answered is sealed."""

from __future__ import annotations

from .copied import mirror
from .form import BAD, RATE, Board, Ground, Row, Step, above, lines, number
from .sealed import completeness, notary


def record(ground: Ground) -> Board:
    """The dashboard."""
    return Board(
        "affiant-record",
        "Affiant: the record's way",
        "From a gateway's journal over the sidecar and the log to the notary's sealed trees and the archive.",
        (_now(ground), _journal(), _sidecar(ground), mirror(), notary(ground), completeness(ground)),
    )


def _now(ground: Ground) -> Row:
    limits = ground.limits
    return Row(
        "Now",
        (
            number(
                "Oldest record not in the log",
                "Age of the oldest durable record that the log has not acknowledged; 0 when there is none.",
                "max(affiant_sidecar_oldest_unshipped_seconds)",
                unit="s",
                steps=above(limits.unshipped_seconds_warn, limits.unshipped_seconds_page),
                alerts=("AffiantUnshipped",),
            ),
            number(
                "Oldest record not sealed",
                "Age of the oldest durable record that is not proved to be sealed; 0 when there is none.",
                "max(affiant_sidecar_oldest_unsealed_seconds)",
                unit="s",
                steps=above(limits.unsealed_seconds_warn, limits.unsealed_seconds_page),
                alerts=("AffiantUnsealed",),
            ),
            number(
                "Shipping stopped",
                "Journals whose shipping has stopped until a person looks.",
                "sum(affiant_sidecar_alarm)",
                unit="none",
                steps=BAD,
                alerts=("AffiantShippingStopped",),
            ),
            number(
                "Seal not believed",
                "Journals of which what is sealed is not believed, or is not what was shipped.",
                "sum(affiant_sidecar_seal_alarm)",
                unit="none",
                steps=BAD,
                alerts=("AffiantSealNotBelieved",),
            ),
            number(
                "Sealing held",
                "Partitions of which nothing is sealed; the notary's output says why.",
                "sum(affiant_notary_held)",
                unit="none",
                steps=BAD,
                alerts=("AffiantNotaryHeld",),
            ),
            number(
                "Logs that are sealed",
                "1 when every log's topic is known to the notary and its trees are open.",
                "min(affiant_notary_sealing)",
                unit="none",
                base="red",
                steps=(Step(1, "green"),),
                alerts=("AffiantNotSealing",),
            ),
        ),
    )


def _journal() -> Row:
    return Row(
        "Journal",
        (
            lines(
                "Records on their way",
                "Records of each journal that are not on the disk, not in the log, not proved to be sealed.",
                (
                    "affiant_journal_sequence - affiant_journal_durable_sequence",
                    "{{instance}} not on the disk",
                ),
                (
                    "affiant_journal_durable_sequence - affiant_journal_acknowledged",
                    "{{instance}} not in the log",
                ),
                ("affiant_journal_acknowledged - affiant_journal_sealed", "{{instance}} not sealed"),
                unit="none",
            ),
            lines(
                "Bytes held",
                "Bytes of the journal that are not freed yet, and the bound at which requests are refused.",
                ("affiant_journal_held_bytes", "{{instance}} held"),
                ("affiant_journal_bound_bytes", "{{instance}} bound"),
                unit="bytes",
                least=0,
                alerts=("AffiantJournalFilling",),
            ),
            lines(
                "Groups made durable",
                "Groups of records a second that went to the disk together: each is one fdatasync.",
                (f"rate(affiant_journal_durable_group[{RATE}])", "{{instance}}"),
                unit="cps",
            ),
            lines(
                "Answers with a record",
                "Answers a second whose record was durable before they left, by status.",
                (f"sum by (status) (rate(affiant_recorded_answers_total[{RATE}]))", "{{status}}"),
                unit="reqps",
            ),
            lines(
                "Open and waiting",
                "Accepted requests that have no record yet; answers that wait for the log (release = log).",
                ("affiant_journal_open_requests", "{{instance}} open"),
                ("affiant_journal_waiting_for_log", "{{instance}} waits for the log"),
                unit="none",
            ),
            lines(
                "Openings",
                "How often each journal was opened: a gateway that restarts again and again is seen here.",
                ("affiant_journal_epoch", "{{instance}}"),
                unit="none",
            ),
        ),
    )


def _sidecar(ground: Ground) -> Row:
    limits = ground.limits
    return Row(
        "Sidecar to the log",
        (
            lines(
                "Age of what is not shipped or sealed",
                "Age of the oldest record that the log has not acknowledged, and that is not proved to be sealed.",
                ("affiant_sidecar_oldest_unshipped_seconds", "{{journal}} not in the log"),
                ("affiant_sidecar_oldest_unsealed_seconds", "{{journal}} not sealed"),
                unit="s",
                least=0,
                steps=above(limits.unshipped_seconds_warn, limits.unshipped_seconds_page),
                alerts=("AffiantUnshipped", "AffiantUnsealed"),
            ),
            lines(
                "Records not shipped or sealed",
                "Durable records that the log has not acknowledged, or that are not proved to be sealed.",
                ("affiant_sidecar_lag_records", "{{journal}} not in the log"),
                ("affiant_sidecar_unsealed_records", "{{journal}} not sealed"),
                unit="none",
                least=0,
            ),
            lines(
                "Bytes not shipped",
                "Bytes behind the last acknowledged record, and of these what is on its way.",
                ("affiant_sidecar_unshipped_bytes", "{{journal}} behind"),
                ("affiant_sidecar_in_flight_bytes", "{{journal}} on the way"),
                unit="bytes",
                least=0,
            ),
            lines(
                "Records shipped",
                "Records a second that the log acknowledged, and that were proved to be sealed.",
                (f"rate(affiant_sidecar_shipped_records_total[{RATE}])", "{{journal}} shipped"),
                (f"rate(affiant_sidecar_sealed_sequence[{RATE}])", "{{journal}} sealed"),
                unit="cps",
            ),
            lines(
                "Bytes shipped",
                "Bytes of records a second that the log acknowledged.",
                (f"rate(affiant_sidecar_shipped_bytes_total[{RATE}])", "{{journal}}"),
                unit="Bps",
            ),
            lines(
                "Trouble on the way",
                "Since the sidecar's start: producers that failed, benign duplicates, checkpoints not believed, starts "
                "that found gone what they had to read of the log.",
                ("affiant_sidecar_producer_restarts_total", "{{journal}} producer failed"),
                ("affiant_sidecar_duplicates_total", "{{journal}} duplicates"),
                ("affiant_sidecar_starts_gone_total", "{{journal}} log gone"),
                ("affiant_sidecar_checkpoints_refused_total", "{{journal}} not believed"),
                unit="none",
            ),
        ),
    )
