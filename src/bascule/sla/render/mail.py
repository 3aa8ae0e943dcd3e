"""The report as a mail's body: tables and inline styles alone, which every mail client shows."""

from __future__ import annotations

from bascule.sla.render.html import View, environment
from bascule.sla.report import Report


def render_mail(report: Report, language: str = "en") -> tuple[str, str, str]:
    """(subject, text, HTML)."""
    view = View.of(report, language)
    subject = view.t("mail.subject", title=report.title, conclusion=view.conclusion, span=view.span)
    lines = [subject, ""]
    for objective in report.objectives:
        outcome = view.outcome(objective)
        target = f"{view.t('target').lower()} {view.numbers.target(objective.promise)}"
        figure = f"{view.headline(objective)} ({view.decides(objective)}, {target})"
        lines.append(f"{outcome}  {view.t('labelled', name=view.name(objective), text=figure)}")
        if view.worst_part(objective):
            lines.append(f"      {view.worst_part(objective)}")
        if objective.unproven:
            lines.append(f"      {view.unproven(objective)}")
    lines += ["", view.t("mail.attached")]
    return subject, "\n".join(lines), environment().get_template("mail.html").render(view=view)
