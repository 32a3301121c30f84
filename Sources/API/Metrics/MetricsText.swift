import Bytes
package import Network

/// Writes metrics in Prometheus' text format 0.0.4, or in OpenMetrics 1.0 where the two differ.
package struct MetricsText {
    /// The text format.
    package enum Format {
        case prometheus, openMetrics

        /// The media type.
        package var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// Labels in order; values need no escaping.
    package typealias Labels = [(name: String, value: String)]

    /// The format that is written.
    package let format: Format
    private var text = ""
    /// Name of the current metric family.
    private var name = ""

    /// An empty page.
    package init(_ format: Format) { self.format = format }

    /// Writes a counter with labels.
    /// - Parameter name: ends in `_total`.
    package mutating func counter(_ name: String, _ help: String, _ samples: [(labels: Labels, value: UInt64)]) {
        // OpenMetrics omits the suffix from the name of the family.
        family(format == .openMetrics ? String(name.dropLast("_total".count)) : name, "counter", help)
        for sample in samples { self.sample(name, sample.labels, String(sample.value)) }
    }

    /// Writes a counter without labels.
    package mutating func counter(_ name: String, _ help: String, _ value: UInt64) { counter(name, help, [([], value)]) }

    /// Writes a counter of seconds.
    package mutating func counter(_ name: String, _ help: String, seconds: Double) {
        family(format == .openMetrics ? String(name.dropLast("_total".count)) : name, "counter", help)
        sample(name, [], String(seconds))
    }

    /// Writes a gauge with labels.
    package mutating func gauge(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Double)]) {
        family(name, "gauge", help)
        for sample in samples { self.sample(name, sample.labels, Self.number(sample.value)) }
    }

    /// Writes a gauge without labels.
    package mutating func gauge(_ name: String, _ help: String, _ value: Int) { gauge(name, help, [([], Double(value))]) }

    /// Writes a histogram with labels.
    package mutating func histogram(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Histogram)]) {
        family(name, "histogram", help)
        for (labels, histogram) in samples {
            var sum: UInt64 = 0
            for (index, bound) in histogram.scale.bounds.enumerated() {
                sum += histogram.counts[index]
                sample(name + "_bucket", labels + [("le", bound.text)], String(sum))
            }
            sample(name + "_bucket", labels + [("le", "+Inf")], String(histogram.count))
            sample(name + "_sum", labels, String(Double(histogram.sumNanoseconds) / 1e9))
            sample(name + "_count", labels, String(histogram.count))
        }
    }

    /// The complete page.
    package func finished() -> [UInt8] { Array((format == .openMetrics ? text + "# EOF\n" : text).utf8) }

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    /// Label values are the server's own words: none needs escaping.
    private mutating func sample(_ name: String, _ labels: Labels, _ value: String) {
        text += name
        if !labels.isEmpty { text += "{" + labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",") + "}" }
        text += " " + value + "\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(saturating: value)) : String(value)
    }
}
