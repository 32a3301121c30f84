import Bytes
package import Network

/// Writes metrics in Prometheus' text format 0.0.4, or in OpenMetrics 1.0 where the two differ.
package struct MetricsText {
    package enum Format {
        case prometheus, openMetrics

        package var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    package typealias Labels = [(name: String, value: String)]

    package let format: Format
    private var text = ""
    /// Of the family that is being written.
    private var name = ""

    package init(_ format: Format) { self.format = format }

    /// - Parameter name: ends in `_total`.
    package mutating func counter(_ name: String, _ help: String, _ samples: [(labels: Labels, value: UInt64)]) {
        // OpenMetrics names the family without the suffix that its samples have.
        family(format == .openMetrics ? String(name.dropLast("_total".count)) : name, "counter", help)
        for sample in samples { self.sample(name, sample.labels, String(sample.value)) }
    }

    package mutating func counter(_ name: String, _ help: String, _ value: UInt64) { counter(name, help, [([], value)]) }

    package mutating func counter(_ name: String, _ help: String, seconds: Double) {
        family(format == .openMetrics ? String(name.dropLast("_total".count)) : name, "counter", help)
        sample(name, [], String(seconds))
    }

    package mutating func gauge(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Double)]) {
        family(name, "gauge", help)
        for sample in samples { self.sample(name, sample.labels, Self.number(sample.value)) }
    }

    package mutating func gauge(_ name: String, _ help: String, _ value: Int) { gauge(name, help, [([], Double(value))]) }

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

    /// The whole page.
    package func finished() -> [UInt8] { Array((format == .openMetrics ? text + "# EOF\n" : text).utf8) }

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    /// Label values are words of ours: nothing in them needs escaping.
    private mutating func sample(_ name: String, _ labels: Labels, _ value: String) {
        text += name
        if !labels.isEmpty { text += "{" + labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",") + "}" }
        text += " " + value + "\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(saturating: value)) : String(value)
    }
}
