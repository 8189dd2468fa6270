"""Formatting of the tables of the benchmark for readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pandas as pd

from ..viz.style import with_unit
from .methods import averaging_label, label_of

CLASSES = "eeginv table table-sm table-hover w-auto"
CSS = """
table.eeginv { font-size: 0.85rem; }
table.eeginv td { white-space: nowrap; padding-right: 1em; }
table.eeginv.wrapped td { white-space: normal; }
table.eeginv th { vertical-align: bottom; padding-right: 1em; }
"""
GROUP = ["n_train_subjects", "method", "averaging"]
KEYS = ["training subjects", "method", "prediction"]


def score_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format the mean scores of the predicted classes."""
    shown = _named(table)[KEYS]
    for metric, name, form in (
        ("balanced_accuracy", "balanced accuracy (%)", _percent),
        ("macro_f1", "macro F1 (%)", _percent),
        ("kappa", "Cohen's kappa", _two),
        ("auc", "AUC (%)", _percent),
    ):
        if metric == "auc" and table[metric].isna().all():
            continue  # AUC is only defined for two classes
        columns = [table[metric], table[f"{metric}_low"], table[f"{metric}_high"]]
        shown[name] = [
            _interval(value, low, high, form) for value, low, high in zip(*columns, strict=True)
        ]
    shown["test subjects"] = table["n_subjects"]
    shown["runs"] = table["n_runs"]
    return shown


def cost_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format the quality of the predicted probabilities, and time and memory."""
    shown = _named(table)[KEYS]
    shown["negative log-likelihood"] = [_two(v) for v in table["nll"]]
    shown["calibration error (%)"] = [_percent(v) for v in table["calibration_error"]]
    for step in ("search", "fit", "predict"):
        shown[f"{step} (s)"] = [_short(v) for v in table[f"seconds_{step}"]]
    shown["peak memory (MiB)"] = [_short(v) for v in table["peak_memory_mib"]]
    return shown


def difference_table(accuracy: pd.DataFrame, f1: pd.DataFrame, kappa: pd.DataFrame) -> pd.DataFrame:
    """Format the paired differences of the same methods in three scores."""
    shown = _named(accuracy)[KEYS]
    shown["balanced accuracy"] = [_signed(v, 2) for v in accuracy["difference"]]
    shown["95 % interval"] = _range(accuracy["low"], accuracy["high"])
    shown["p"] = [_p_value(v) for v in accuracy["p"]]
    shown["p, Holm"] = [_p_value(v) for v in accuracy["p_holm"]]
    # matched by index, because a row is missing if a score is
    for name, table in (("macro F1", f1), ("kappa", kappa)):
        table = accuracy[GROUP].merge(table, on=GROUP, how="left")
        values = zip(table["difference"], table["low"], table["high"], strict=True)
        shown[name] = [_interval(*value, _signed) for value in values]
    shown["paired runs"] = accuracy["n_runs"]
    shown["subjects"] = accuracy["n_subjects"]
    shown["splits"] = accuracy["n_splits"]
    return shown


def policy_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format the table of learned policies."""
    rows = []
    for row in table.to_dict("records"):
        unit = "" if row["unit"] == "1" else f" {row['unit']}"
        shown = {
            "training subjects": row["n_train_subjects"],
            "method": label_of(row["method"]),
            "transform": row["transform"],
            "extent": f"{row['extent']:.3f} ± {row['extent_std']:.3f}{unit}",
            "use (%)": f"{_percent(row['usage'])} ± {_percent(row['usage_std'])}",
        }
        if not math.isnan(row["true_extent"]):
            shown["true extent"] = with_unit(row["true_extent"], row["unit"], 3)
            shown["truth"] = "invariant" if row["invariant"] else "changes the label"
        rows.append({**shown, "runs": row["n_runs"]})
    return pd.DataFrame(rows).fillna("")


def class_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format the table of F1 scores of the classes."""
    shown = _named(table)
    for name in shown.columns[3:]:
        shown[name] = [_percent(value) for value in shown[name]]
    return shown


def html_table(table: pd.DataFrame, wrap: bool = False) -> str:
    """Format a table as HTML for the style sheet ``CSS``, with or without wrapping of cells."""
    classes = f"{CLASSES} wrapped" if wrap else CLASSES
    text = table.to_html(index=False, border=0, classes=classes, justify="left", na_rep="")
    return f'<div class="table-responsive">{text}</div>'


def subjects_text(n_subjects: int) -> str:
    """Return a number of training subjects in words."""
    return f"{n_subjects} training subject{'' if n_subjects == 1 else 's'}"


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Replace names of methods, and of columns that define a group, by labels for readers."""
    table = table.copy()
    pairs = zip(table["method"], table["averaging"], strict=True)
    table["averaging"] = [averaging_label(method, averaging) for method, averaging in pairs]
    table["method"] = table["method"].map(label_of)
    return table.rename(
        columns={"n_train_subjects": "training subjects", "averaging": "prediction"}
    )


def _range(lows: Iterable[float], highs: Iterable[float]) -> list[str]:
    ranges = zip(lows, highs, strict=True)
    return ["" if math.isnan(a) else f"{_signed(a)} to {_signed(b)}" for a, b in ranges]


def _interval(value: float, low: float, high: float, form: Callable[[float], str]) -> str:
    return form(value) + ("" if math.isnan(low) else f" [{form(low)}, {form(high)}]")


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def _signed(value: float, digits: int = 1) -> str:
    return "" if math.isnan(value) else f"{100 * value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _p_value(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _two(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _short(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
