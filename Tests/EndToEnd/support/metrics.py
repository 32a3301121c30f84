"""GET /metrics read by Prometheus' own parser."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from rehearsal import eventually

OPEN_METRICS = "application/openmetrics-text;version=1.0.0"


class Metrics:
    """One scrape: `m["name", label]` is a sample's value, 0 where there is none yet."""

    def __init__(self, server, headers=None, accept=None):
        with server.http(headers={**(headers or {}), **({"Accept": accept} if accept else {})}) as http:
            self.answer = http.get("/metrics")
        assert self.answer.status_code == 200, self.answer.text
        is_open = self.answer.headers["content-type"].startswith("application/openmetrics-text")
        self.families = list((parse_open_metrics if is_open else parse_prometheus)(self.answer.text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def get(self, name: str, **labels) -> float:
        """The sum over all samples of this name that have these labels."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())


def until(server, name: str, value, **labels) -> float:
    """Scrapes until the sample has the value, or meets the condition."""
    condition = value if callable(value) else lambda found: found == value
    return eventually(lambda: condition(Metrics(server).get(name, **labels)), f"{name} {labels} is {value}")
