"""The copy to Fluentd: what is copied, what waits, and what never will be."""

from __future__ import annotations

from monitoring.alerts.path import MIRROR_SECONDS

from .form import RATE, Row, Step, lines


def mirror() -> Row:
    """The row; it is empty where no copy is asked for."""
    return Row(
        "Copy to Fluentd",
        (
            lines(
                "Records copied",
                "Records a second that Fluentd acknowledged, and those that it acknowledged once more.",
                (f"rate(affiant_sidecar_mirrored_records_total[{RATE}])", "{{journal}} copied"),
                (f"rate(affiant_sidecar_mirror_resent_records_total[{RATE}])", "{{journal}} again"),
                unit="cps",
            ),
            lines(
                "Age of what is not copied",
                "Age of the oldest durable record that Fluentd has not acknowledged.",
                ("affiant_sidecar_mirror_oldest_seconds", "{{journal}}"),
                unit="s",
                least=0,
                steps=(Step(MIRROR_SECONDS, "orange"),),
                alerts=("AffiantMirrorBehind",),
            ),
            lines(
                "Records not copied",
                "Records that wait, and those that were freed before they were copied: Fluentd never gets these.",
                ("affiant_sidecar_mirror_waiting_records", "{{journal}} waiting"),
                ("affiant_sidecar_mirror_dropped_records_total", "{{journal}} dropped"),
                unit="none",
                least=0,
                alerts=("AffiantMirrorDropped",),
            ),
            lines(
                "Interruptions of the copy",
                "Since the sidecar's start: connections that failed, chunks that nobody acknowledged.",
                ("affiant_sidecar_mirror_failures_total", "{{journal}}"),
                unit="none",
                least=0,
            ),
        ),
    )
