import Network
import Testing

@testable import API

@Suite struct MetricsTextTests {
    private func text(_ format: MetricsText.Format, _ body: (inout MetricsText) -> Void) -> String {
        var text = MetricsText(format)
        body(&text)
        return String(decoding: text.finished(), as: UTF8.self)
    }

    @Test func aCounterIsNamedAsItsFormatWants() {
        let write = { (page: inout MetricsText) in page.counter("interject_x_total", "What.", [([("a", "b"), ("c", "d")], 3)]) }
        let sample = "interject_x_total{a=\"b\",c=\"d\"} 3\n"
        #expect(
            text(.prometheus, write) == "# HELP interject_x_total What.\n# TYPE interject_x_total counter\n" + sample)
        #expect(text(.openMetrics, write) == "# HELP interject_x What.\n# TYPE interject_x counter\n" + sample + "# EOF\n")
    }

    @Test func aHistogramCountsUpToEachBound() {
        var histogram = Histogram(.short)
        histogram.record(.microseconds(60))
        histogram.record(.seconds(100))
        let page = text(.prometheus) { $0.histogram("h_seconds", "What.", [([("loop", "0")], histogram)]) }
        #expect(page.contains("h_seconds_bucket{loop=\"0\",le=\"0.00005\"} 0\n"))
        #expect(page.contains("h_seconds_bucket{loop=\"0\",le=\"0.0001\"} 1\n"))
        #expect(page.contains("h_seconds_bucket{loop=\"0\",le=\"10.0\"} 1\n"))
        #expect(page.contains("h_seconds_bucket{loop=\"0\",le=\"+Inf\"} 2\n"))
        #expect(page.contains("h_seconds_sum{loop=\"0\"} 100.00006\n"))
        #expect(page.contains("h_seconds_count{loop=\"0\"} 2\n"))
    }
}
