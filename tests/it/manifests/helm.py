"""Renders a chart as `helm template inferometer CHART -n inferometer` would, after linting it.

Called with the chart's folder and a JSON object of values.
"""

import json
import sys

import helm_python

chart, values = sys.argv[1], json.loads(sys.argv[2])
report = helm_python.lint(chart, values, strict=True, namespace="inferometer")
faults = report["errors"] + [m for m in report["messages"] if m["severity"] > 1]
if faults:
    sys.exit(json.dumps(faults))
with helm_python.Chart.load(chart) as loaded:
    rendered = loaded.render(values, name="inferometer", namespace="inferometer")
for path, manifest in rendered.items():
    if path.endswith(".yaml"):
        print("---", manifest, sep="\n")
