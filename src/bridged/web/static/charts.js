// Draws what `data-chart` says, beside the table of the same numbers. Without this file the tables stand open.
"use strict";
(() => {
  const SERIES = 5;
  const HEIGHT = 220;

  // Tokens may be functions of the colour scheme: what an element makes of them is a plain colour.
  const colours = () => {
    const probe = document.createElement("span");
    document.body.append(probe);
    const read = (token) => {
      probe.style.color = `var(${token})`;
      return getComputedStyle(probe).color;
    };
    const series = Array.from({ length: SERIES }, (_, at) => read(`--series-${at + 1}`));
    const found = { series, quiet: read("--quiet"), line: read("--line") };
    probe.remove();
    return found;
  };

  const written = (currency, compact) => {
    const style = currency ? { style: "currency", currency } : {};
    const format = new Intl.NumberFormat("en", compact ? { ...style, notation: "compact", maximumFractionDigits: 1 } : style);
    return (value) => (value == null ? "" : format.format(value));
  };

  // "2026-11-18" or "2026-11", as people write it beside an axis.
  const named = (label) => {
    const day = label.length > 7;
    const wanted = day ? { month: "short", day: "numeric" } : { month: "short", year: "numeric" };
    return new Intl.DateTimeFormat("en", { ...wanted, timeZone: "UTC" }).format(new Date(day ? label : `${label}-01`));
  };

  // What a period comes to is stacked: each series stands on those after it.
  const stacked = (series) => {
    const heights = series.map((each) => each.values.map((value) => value ?? 0));
    for (let at = heights.length - 2; at >= 0; at -= 1) {
      heights[at] = heights[at].map((value, place) => value + heights[at + 1][place]);
    }
    return heights;
  };

  const options = (given, width, tint) => {
    const short = written(given.currency, true), long = written(given.currency, false);
    const axis = { stroke: tint.quiet, grid: { stroke: tint.line, width: 1 }, ticks: { stroke: tint.line, width: 1 } };
    const whole = given.currency ? {} : { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] };
    const bars = { paths: uPlot.paths.bars({ size: [0.7, 28] }), points: { show: false }, width: 0 };
    return {
      width,
      height: HEIGHT,
      cursor: { drag: { x: false, y: false }, points: { show: given.level } },
      scales: {
        x: { time: false, range: [-0.6, given.labels.length - 0.4] },
        y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 64,
          incrs: [1, 2, 3, 7, 14, 30, 60],
          values: (_, at) => at.map((each) => (given.labels[each] ? named(given.labels[each]) : "")),
        },
        { ...axis, ...whole, size: 64, values: (_, at) => at.map(short) },
      ],
      series: [
        {},
        ...given.series.map((each, at) => ({
          label: each.name,
          stroke: tint.series[at],
          width: 2,
          points: { show: false },
          value: (_, __, ___, place) => (place == null ? "" : long(each.values[place])),
          ...(given.level ? {} : { ...bars, fill: tint.series[at] }),
        })),
      ],
    };
  };

  const draw = (place) => {
    const given = JSON.parse(place.dataset.chart);
    place.hidden = false;
    const heights = given.level ? given.series.map((each) => each.values) : stacked(given.series);
    const data = [given.labels.map((_, at) => at), ...heights];
    let plot = null, width = place.clientWidth;
    const again = () => {
      plot?.destroy();
      plot = new uPlot(options(given, width, colours()), data, place);
      place.dataset.drawn = "yes";
    };
    again();
    new ResizeObserver(() => {
      if (place.clientWidth === width || place.clientWidth === 0) return;
      width = place.clientWidth;
      plot.setSize({ width, height: HEIGHT });
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    place.parentElement.querySelector("details").open = false;
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-chart]")) draw(place);
  });
})();
