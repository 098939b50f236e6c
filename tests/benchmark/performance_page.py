"""Writes the benchmark's measurements as the tables and the plot of docs/performance.md.

usage: performance_page.py performance.json PAGE.md     (rewrites the tables of the page, and the plot next to it)
"""

import json
import statistics
import sys
from pathlib import Path

OURS = {
    "amxbf16": "galmorph, bf16, AMX",
    "avx512bf16": "galmorph, bf16, AVX-512",
    "avx512": "galmorph, f32, AVX-512",
    "avx2": "galmorph, f32, AVX2",
    "portable": "galmorph, f32, portable",
}
# Of the quantised model.
OURS_INT8 = {
    "amxint8": "galmorph, int8, AMX",
    "avx512int8": "galmorph, int8, AVX-512 VNNI",
    "avxvnniint8": "galmorph, int8, AVX-VNNI",
    "avx2int8": "galmorph, int8, AVX2",
}
IN_PYTHON = {
    "onnxruntime": "ONNX Runtime, f32",
    "openvino-f32": "OpenVINO, f32",
    "openvino-bf16": "OpenVINO, bf16",
    "torch": "PyTorch, f32",
}
IN_PYTHON_INT8 = {
    "onnxruntime-int8": "ONNX Runtime, int8",
    "openvino-int8": "OpenVINO, int8",
}
# The same runtimes with AVX-512 and AMX hidden from them.
HIDDEN = {
    "onnxruntime-avx2": "ONNX Runtime, f32, AVX2 only",
    "openvino-f32-avx2": "OpenVINO, f32, AVX2 only",
}
# With AMX hidden, with AVX-512 too, and with AVX-VNNI too.
HIDDEN_INT8 = {
    "onnxruntime-int8-avx512": "ONNX Runtime, int8, no AMX",
    "openvino-int8-avx512": "OpenVINO, int8, no AMX",
    "openvino-int8-avxvnni": "OpenVINO, int8, AVX-VNNI only",
    "onnxruntime-int8-avx2": "ONNX Runtime, int8, AVX2 only",
    "openvino-int8-avx2": "OpenVINO, int8, AVX2 only",
}
INT8 = OURS_INT8 | IN_PYTHON_INT8 | HIDDEN_INT8
RUNTIMES = OURS | {"tract": "tract alone, f32"} | IN_PYTHON | HIDDEN | INT8
# The runtime that the others' speed is relative to, if it ran.
REFERENCE = "onnxruntime"
BEGIN, END = "<!-- scripts/bench writes from here -->", "<!-- to here -->"
PLOTTED_BATCH, PLOTTED_THREADS = 4, 1


def plural(count, noun):
    return f"{count} {noun}{'s' * (count != 1)}"


def spread(values, digits):
    """The median, with the minimum and the maximum."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def of(measured, key):
    return [round[key] for round in measured["rounds"]]


def reference_of(results):
    return REFERENCE if REFERENCE in results else next(iter(results))


def speeds(results, name):
    """Speed relative to the reference, by processor time, in each round."""
    reference = of(results[reference_of(results)], "cpu_seconds")
    return [r / t for r, t in zip(reference, of(results[name], "cpu_seconds"))]


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def heading(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def network_table(run):
    results = run["results"]
    if not results:
        return ""
    reference = RUNTIMES[reference_of(results)]
    lines = heading("runtime", f"speed ({reference} = 1)", "CPU ms per view", "views/s", "load, s", "peak memory, MB")
    for name, measured in results.items():
        rates = [1 / seconds for seconds in of(measured, "wall_seconds")]
        lines.append(
            row(
                RUNTIMES[name],
                spread(speeds(results, name), 2),
                spread([1e3 * seconds for seconds in of(measured, "cpu_seconds")], 2),
                spread(rates, 0),
                f"{measured['load_seconds']:.2f}",
                f"{measured['peak_bytes'] / 1e6:.0f}",
            )
        )
    return "\n".join(lines)


def pipeline_table(run):
    lines = heading(
        "kernel", "workers", "images/s", "share of the network's rate", "speed (one worker = 1)",
        "decoding and views, CPU ms per image", "database, % of CPU", "load, s", "peak memory, MB",
    )  # fmt: skip
    one = {}
    for result in run["results"]:
        rates = of(result, "images_per_second")
        shares = [100 * cpu.get("record", 0) / sum(cpu.values()) for cpu in of(result, "cpu_seconds")]
        kernel = result["rounds"][0]["kernel"]
        if result["workers"] == 1:
            one[kernel] = rates
        gains = [rate / single for rate, single in zip(rates, one.get(kernel, []))]
        alone = of(result, "network_images_per_second")
        lines.append(
            row(
                kernel,
                str(result["workers"]),
                spread(rates, 1),
                spread([rate / network for rate, network in zip(rates, alone)], 2),
                spread(gains, 2) if gains else "",
                spread([1e3 * cpu.get("decode", 0) for cpu in of(result, "cpu_seconds")], 2),
                spread(shares, 1),
                spread(of(result, "load_seconds"), 2),
                f"{max(of(result, 'peak_bytes')) / 1e6:.0f}",
            )
        )
    return "\n".join(lines)


def machine_lines(machine, rounds):
    offers = ", ".join(f"{flag} {'yes' if there else 'no'}" for flag, there in machine["offers"].items())
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"Processor: {machine['processor']}, {plural(machine['cores'], 'core')}, {machine['system']}.\n"
        f"Instruction sets: {offers}.\nPackages from PyPI: {packages}. {plural(rounds, 'round')}."
    )


def left_out(networks):
    """The runtimes that did not run and the reason, one line each."""
    reasons = {}
    for run in networks:
        for name, fault in run["missing"].items():
            reasons[f"- {RUNTIMES[name]}: left out ({fault})"] = None
    return "\n".join(reasons)


def tables(measured, plot):
    parts = [machine_lines(measured["machine"], measured["rounds"])]
    if absent := left_out(measured["networks"]):
        parts.append(absent)
    if measured["networks"]:
        parts.append(f"![Processor time per view for each runtime]({plot})")
    for run in measured["pipelines"]:
        parts += [f"### {run['model']}: whole pipeline", pipeline_table(run)]
    for run in measured["networks"]:
        views, threads = plural(run["batch"], "view"), plural(run["threads"], "thread")
        parts += [f"### {run['model']}: network only, {views} per run, {threads}", network_table(run)]
    return "\n\n".join(parts)


def draw(measured, path):
    """Processor time per view by runtime, one panel per model: SVG or PNG, by the file's name."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "galmorph", "svg.fonttype": "none", "font.size": 10}
    from matplotlib import pyplot

    wanted = (PLOTTED_BATCH, PLOTTED_THREADS)
    networks = measured["networks"]
    runs = [run for run in networks if (run["batch"], run["threads"]) == wanted] or networks[:1]
    height = 1.2 + sum(0.36 * len(run["results"]) + 0.7 for run in runs)
    figure, panels = pyplot.subplots(
        len(runs), 1, figsize=(8, height), squeeze=False, layout="constrained",
        height_ratios=[len(run["results"]) for run in runs],
    )  # fmt: skip
    for panel, run in zip(panels[:, 0], runs):
        results = run["results"]
        for place, (name, result) in enumerate(results.items()):
            times = [1e3 * seconds for seconds in of(result, "cpu_seconds")]
            middle = statistics.median(times)
            colour = "#0072b2" if name in OURS | OURS_INT8 else "#b0b0b0"
            error = [[middle - min(times)], [max(times) - middle]]
            panel.barh(place, middle, color=colour, xerr=error, ecolor="black", capsize=3)
            panel.annotate(
                f"{middle:.2f}", (max(times), place), xytext=(6, 0), textcoords="offset points", va="center"
            )
        panel.set_yticks(range(len(results)), [RUNTIMES[name] for name in results])
        panel.invert_yaxis()
        panel.margins(x=0.12)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
        views, threads = plural(run["batch"], "view"), plural(run["threads"], "thread")
        panel.set_title(f"{run['model']}: {views} per run, {threads}", loc="left")
    panels[-1, 0].set_xlabel("CPU ms per view, lower is better (median and range of the rounds)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def write(measured, page):
    """Writes the tables between the page's marks, and the plot next to the page."""
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    plot = page.with_suffix(".svg")
    if measured["networks"]:
        draw(measured, plot)
    page.write_text(f"{before}{BEGIN}\n\n{tables(measured, plot.name)}\n\n{END}{after}")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
