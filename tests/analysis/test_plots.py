"""Figures: what is drawn in them, of results made up or only planned."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.frames import make_frame

from hpmkd.analysis import plots, stats
from hpmkd.analysis.costs import costs
from hpmkd.analysis.plots.cost import pareto_front
from hpmkd.analysis.plots.style import colours, marks


def two_data_sets() -> pd.DataFrame:
    scores = {"Direct": [70.0, 71.0, 69.0], "AT": [71.0, 72.5, 70.2]}
    return pd.concat([make_frame(scores, "D1"), make_frame(scores, "D2")], ignore_index=True)


def test_figures_have_a_panel_per_data_set_and_show_every_run() -> None:
    frame, order = two_data_sets(), ["AT", "Direct"]
    figure = plots.accuracy(frame, order)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["D1", "D2"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [[70.2, 71.0, 72.5], [69.0, 70.0, 71.0]]
    means = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert means == pytest.approx([np.mean([71.0, 72.5, 70.2]), 70.0])
    share = [line.get_xdata()[0] for line in plots.retention(frame, order).axes[1].lines if line.get_marker() == "D"]
    assert share == pytest.approx([mean / 0.8 for mean in means])


LONGEST = "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive"


@pytest.mark.parametrize("name", ["AT", LONGEST])
@pytest.mark.parametrize("dataset", ["D", "photos-of-animals@n2500+resnet56-resnet8"])
def test_names_and_titles_of_any_length_are_inside_the_figure_and_legible(name: str, dataset: str) -> None:
    frame = make_frame({"Direct": [70.0, 71.0, 69.0], name: [71.0, 72.5, 70.2], "HPM-KD": [72.0, 71.9, 73.0]}, dataset)
    order = ["Direct", "HPM-KD", name]
    drawn = plots.accuracy(frame, order), plots.retention(frame, order), plots.times(costs(frame), order)
    for figure in (*drawn, plots.differences(stats.comparisons(frame), order)):
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            names = [label.get_window_extent() for label in axes.get_yticklabels()]
            for first, second in itertools.combinations(names, 2):
                assert not first.overlaps(second)
            titles = [axes.title, axes._left_title, axes._right_title, axes.xaxis.label]  # type: ignore[attr-defined]
            for box in [*names, *(title.get_window_extent() for title in titles if title.get_text())]:
                assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert axes.get_window_extent().width > 0.4 * figure.bbox.width
            assert "".join(label.get_text() for label in axes.get_yticklabels()).replace("\n", "").count(name)


def test_the_forest_shows_what_is_significant() -> None:
    scores = {"Direct": [70.0, 71.0, 69.0], "AT": [75.0, 76.1, 74.2], "TAKD": [70.5, 70.6, 69.0]}
    table = stats.comparisons(make_frame(scores))
    figure = plots.differences(table, ["AT", "TAKD"])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx(list(table["difference"]))
    assert [line.get_markerfacecolor() == "none" for line in points] == [False, True]


def test_the_front_of_accuracy_and_cost() -> None:
    rows = {"a": (10, 70.0), "b": (20, 69.0), "c": (30, 72.0), "d": (30, 71.0), "e": (40, 72.0)}
    part = pd.DataFrame([{"baseline": k, "total_seconds": s, "mean_pct": a} for k, (s, a) in rows.items()])
    assert list(pareto_front(part)["baseline"]) == ["a", "c"]


def test_among_many_baselines_no_two_look_alike() -> None:
    names = [f"B{number}" for number in range(40)]
    looks = [(colours(names)[name], marks(names)[name]) for name in names]
    assert len(set(looks)) == len(names)
    frame = make_frame({name: [70.0 + place] for place, name in enumerate(names)})
    drawn = [line for line in plots.pareto(stats.summary(frame), names).axes[0].lines if line.get_marker() != "None"]
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == len(names)
    epochs = pd.DataFrame(
        [("D", name, 1, epoch, 2.0 + epoch, 50.0) for name in names for epoch in (1, 2)],
        columns=["place", "baseline", "run", "epoch", "train_loss", "validation_accuracy_pct"],
    )
    means = [line for line in plots.curves(epochs, names).axes[0].lines if line.get_linewidth() > 1]
    assert len({(line.get_color(), line.get_linestyle()) for line in means}) == len(names)


@pytest.mark.parametrize("name", ["B{}", "HPM-KD-noMultiTeacher-noMetaTemp-{}", "TraditionalKD-{}"])
@pytest.mark.parametrize("count", [13, 18, 40])
def test_the_legend_of_many_baselines_covers_nothing_and_is_whole(count: int, name: str) -> None:
    names = [name.format(number) for number in range(count)]
    figure = plots.pareto(stats.summary(make_frame({one: [70.0 + n] for n, one in enumerate(names)})), names)
    FigureCanvasAgg(figure).draw()
    (legend,), (axes,) = figure.legends, figure.axes
    box = legend.get_window_extent()
    assert not box.overlaps(axes.get_tightbbox())
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
    labels = [text.get_window_extent() for text in legend.get_texts()]
    assert [text.get_text() for text in legend.get_texts()] == names
    assert not any(first.overlaps(second) for first, second in itertools.combinations(labels, 2))
    assert axes.get_window_extent().height > 0.4 * figure.dpi * 2, "the marks keep their room"


def test_a_mark_that_lies_upon_another_leaves_it_to_be_seen() -> None:
    frame = make_frame({"A": [70.0], "B": [70.0], "C": [80.0]})
    frame.loc[frame["baseline"] == "C", "train_seconds"] = 90.0
    drawn = plots.pareto(stats.summary(frame), ["A", "B", "C"]).axes[0].lines
    sizes = {line.get_label(): line.get_markersize() for line in drawn if line.get_marker() != "None"}
    assert sizes["A"] > sizes["B"] == sizes["C"]


@pytest.mark.parametrize(("low", "high"), [(3.0, 6.5), (0.02, 2.0), (1e-6, 2.0)])
def test_epochs_and_losses_have_plain_ticks(low: float, high: float) -> None:
    epochs = pd.DataFrame(
        [("D", "AT", 1, 1, high, 50.0), ("D", "AT", 1, 2, low, 60.0)],
        columns=["place", "baseline", "run", "epoch", "train_loss", "validation_accuracy_pct"],
    )
    figure = plots.curves(epochs, ["AT"])
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[1]
    assert all(float(tick) == int(tick) for tick in axes.get_xticks())
    labels = [label for label in axes.get_yticklabels(which="both") if label.get_text()]
    boxes = [one.get_window_extent() for one in labels]
    assert not any("^" in one.get_text() for one in labels)
    assert sum(axes.get_ylim()[0] <= one.get_position()[1] <= axes.get_ylim()[1] for one in labels) > 0
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_bars_add_up_to_the_time_of_the_sweep() -> None:
    frame = two_data_sets()
    figure = plots.times(costs(frame), ["Direct", "AT"])
    ends = [max(bar.get_x() + bar.get_width() for bar in axes.patches) for axes in figure.axes]
    assert ends == [70.0, 70.0]


def over_groups(count: int, groups: int = 6) -> tuple[pd.DataFrame, list[str]]:
    """Baselines with long names, each a little better than the one before."""
    rng = np.random.default_rng(0)
    names = [f"HPM-KD-noMultiTeacher-chain{number}" for number in range(count)]
    parts = [
        make_frame({name: list(rng.normal(70 + 0.3 * place, 0.4, 3)) for place, name in enumerate(names)}, f"D{number}")
        for number in range(groups)
    ]
    return pd.concat(parts, ignore_index=True), names


@pytest.mark.parametrize("count", [2, 20])
def test_figures_over_groups_show_every_baseline_and_are_legible(count: int) -> None:
    frame, order = over_groups(count)
    known, tests = stats.scores(frame), stats.rank_tests(frame, ())
    means = stats.interquartile_means(known)
    figure = plots.interquartile(means, order)
    diamonds = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert diamonds == pytest.approx(list(means["iqm"]))
    profile = plots.performance_profiles(stats.performance_profiles(known), order)
    looks = [(line.get_color(), line.get_linestyle()) for axes in profile.axes for line in axes.lines]
    assert len(looks) == len(set(looks)) == count
    figures = [figure, profile]
    if count > 2:
        figures.append(plots.critical_differences(tests, order))
    for one in figures:
        FigureCanvasAgg(one).draw()
        labels = [label.get_window_extent() for axes in one.axes for label in axes.get_yticklabels()]
        labels += [text.get_window_extent() for legend in one.legends for text in legend.get_texts()]
        for first, second in itertools.combinations(labels, 2):
            assert not first.overlaps(second)


def test_the_diagram_has_the_best_on_top_and_a_bar_per_clique() -> None:
    frame, order = over_groups(12)
    tests = stats.rank_tests(frame, ())
    (axes,) = plots.critical_differences(tests, order).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(tests.table["baseline"])
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]
    assert points == pytest.approx(list(tests.table["mean_rank"]))
    bars = [line for line in axes.lines if line.get_linewidth() == 3]
    places = {name: place for place, name in enumerate(tests.table["baseline"])}
    spans = [(round(bar.get_ydata()[0] + 0.15), round(bar.get_ydata()[1] - 0.15)) for bar in bars]
    assert spans == [(places[clique[0]], places[clique[-1]]) for clique in tests.cliques]
    assert len(spans) > 1
    for (one, first), (other, second) in itertools.combinations(zip(bars, spans, strict=True), 2):
        apart = first[1] < second[0] or second[1] < first[0]
        assert apart or one.get_xdata()[0] != other.get_xdata()[0], "bars that overlap stand side by side"
    ruler = next(line for line in axes.lines if line.get_marker() == "|")
    assert ruler.get_xdata()[1] - ruler.get_xdata()[0] == pytest.approx(tests.critical_difference)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_curve_of_one_epoch_is_a_mark(epochs: int) -> None:
    rows = [("Digits", "AT", run, epoch, 1.0, 50.0) for run in (1, 2) for epoch in range(1, epochs + 1)]
    columns = ["place", "baseline", "run", "epoch", "train_loss", "validation_accuracy_pct"]
    figure = plots.curves(pd.DataFrame(rows, columns=columns), ["AT"])
    for axes in figure.axes:
        (mean,) = (line for line in axes.lines if line.get_label() == "AT")
        assert (mean.get_marker() == "D") == (epochs == 1)
