"""The words of the executive view, in English and French."""

from __future__ import annotations

from collections.abc import Mapping

from bascule import figures
from bascule.conventions import State, Verdict
from bascule.slo import Headline
from bascule.states import Cause, no_data

LANGUAGES = ("en", "fr")

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Executive view",
        "verdict": "Verdict",
        "progress": "Migration progress",
        "step": "Step",
        "share": "Share on {new}",
        "begins": "Begins",
        "began": "began",
        "expected": "expected",
        "ends": "Earliest end of the plan:",
        "unplanned": "No date can be expected: the plan is paused, closed or not known.",
        "gates": "Expected dates assume that every gate passes at the end of its step.",
        "impact": "Business impact",
        "measure": "Measure",
        "difference": "Difference",
        "target": "Target",
        "state": "State",
        "slas": "Service levels",
        "objective": "Objective",
        "window": "over {window}",
        "spent": "Error budget spent",
        "left": "Error budget left",
        "pass": "pass",
        "fail": "fail",
        "no_data": "no data",
        "ok": "not worse",
        "bad": "worse",
        "not_applicable": "not in this phase",
        "print": "Print",
        "zone": "times in your zone",
        "silent": "Prometheus does not answer: budgets and API consumers are not known.",
        "before": "before the first step",
        "promote": "Promote",
        "hold": "Hold",
        "roll_back": "Roll back",
        "verdict_no_data": "No data",
        "now": "at {share} since",
        "role_accuracy": "accuracy",
        "role_revenue": "revenue",
        "role_satisfaction": "satisfaction",
        "role_retention": "retention",
        "role_adoption": "API adoption",
        "API consumers": "API consumers",
    },
    "fr": {
        "title": "Vue pour la direction",
        "verdict": "Verdict",
        "progress": "Avancement de la migration",
        "step": "Étape",
        "share": "Part sur {new}",
        "begins": "Début",
        "began": "commencé le",
        "expected": "prévu le",
        "ends": "Fin du plan, au plus tôt :",
        "unplanned": "Aucune date ne peut être prévue : le plan est en pause, clos ou inconnu.",
        "gates": "Les dates prévues supposent que toutes les conditions de passage sont remplies à la fin de l'étape.",
        "impact": "Impact métier",
        "measure": "Mesure",
        "difference": "Écart",
        "target": "Cible",
        "state": "État",
        "slas": "Niveaux de service",
        "objective": "Objectif",
        "window": "sur {window}",
        "spent": "Budget d'erreur consommé",
        "left": "Budget d'erreur restant",
        "pass": "tenu",
        "fail": "non tenu",
        "no_data": "sans données",
        "ok": "pas moins bon",
        "bad": "moins bon",
        "not_applicable": "hors de cette étape",
        "print": "Imprimer",
        "zone": "heures de votre fuseau",
        "silent": "Prometheus ne répond pas : budgets et consommateurs de l'API sont inconnus.",
        "before": "avant la première étape",
        "promote": "Avancer",
        "hold": "Maintenir",
        "roll_back": "Revenir en arrière",
        "verdict_no_data": "Sans données",
        "now": "à {share} depuis",
        "role_accuracy": "précision",
        "role_revenue": "revenu",
        "role_satisfaction": "satisfaction",
        "role_retention": "fidélité",
        "role_adoption": "adoption de l'API",
        "API consumers": "consommateurs de l'API",
    },
}


def verdict_word(language: str, verdict: Verdict) -> str:
    key = "verdict_no_data" if verdict is Verdict.NO_DATA else verdict.value
    return TEXTS[language][key]


def sla_word(language: str, told: Headline) -> str:
    """`pass so far (17 min of 30 d)`."""
    key = {State.OK: "pass", State.BAD: "fail"}.get(told.state, "no_data")
    return told.told(TEXTS[language][key], figures.span, language)


def impact_word(language: str, state: State, cause: Cause | None) -> str:
    return no_data(cause, language) if state is State.NO_DATA else TEXTS[language][state.value]
