"""Lints a chart and renders it as `helm template inferometer CHART -n inferometer` would, once for each set of values.

Called with the chart's folder and a JSON list of sets; prints a JSON list of manifests and errors.
"""

import json
import sys

import helm_python


def render(chart, values):
    report = helm_python.lint(chart, values, strict=True, namespace="inferometer")
    faults = report["errors"] + [m["error"] for m in report["messages"] if m["severity"] > 1]
    if faults:
        return {"error": "\n".join(faults)}
    with helm_python.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name="inferometer", namespace="inferometer")
    return {"manifests": "\n---\n".join(text for path, text in rendered.items() if path.endswith(".yaml"))}


print(json.dumps([render(sys.argv[1], values) for values in json.loads(sys.argv[2])]))
