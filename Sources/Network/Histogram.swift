/// Counts durations by size: a plain value, recorded without allocation. Converted to Prometheus' cumulative form when scraped.
public struct Histogram: Sendable {
    /// Bounds of the buckets.
    public enum Scale: Sendable {
        /// 50 µs to 10 s, for the server's own work.
        case short
        /// 10 ms to 60 s, for models.
        case long

        /// Upper bounds, as text in seconds and as nanoseconds.
        public var bounds: [(text: String, nanoseconds: Int64)] {
            switch self {
            case .short:
                [
                    ("0.00005", 50_000), ("0.0001", 100_000), ("0.00025", 250_000), ("0.0005", 500_000), ("0.001", 1_000_000),
                    ("0.0025", 2_500_000), ("0.005", 5_000_000), ("0.01", 10_000_000), ("0.025", 25_000_000),
                    ("0.05", 50_000_000), ("0.1", 100_000_000), ("0.25", 250_000_000), ("0.5", 500_000_000),
                    ("1.0", 1_000_000_000), ("10.0", 10_000_000_000),
                ]
            case .long:
                [
                    ("0.01", 10_000_000), ("0.025", 25_000_000), ("0.05", 50_000_000), ("0.1", 100_000_000),
                    ("0.2", 200_000_000), ("0.3", 300_000_000), ("0.5", 500_000_000), ("0.75", 750_000_000),
                    ("1.0", 1_000_000_000), ("2.0", 2_000_000_000), ("3.0", 3_000_000_000), ("5.0", 5_000_000_000),
                    ("10.0", 10_000_000_000), ("30.0", 30_000_000_000), ("60.0", 60_000_000_000),
                ]
            }
        }

        /// A chain of comparisons rather than a search in ``bounds``: it touches no memory, and common values come first.
        fileprivate func bucket(_ nanoseconds: Int64) -> Int {
            switch self {
            case .short:
                switch nanoseconds {
                case ...50_000: 0
                case ...100_000: 1
                case ...250_000: 2
                case ...500_000: 3
                case ...1_000_000: 4
                case ...2_500_000: 5
                case ...5_000_000: 6
                case ...10_000_000: 7
                case ...25_000_000: 8
                case ...50_000_000: 9
                case ...100_000_000: 10
                case ...250_000_000: 11
                case ...500_000_000: 12
                case ...1_000_000_000: 13
                case ...10_000_000_000: 14
                default: 15
                }
            case .long:
                switch nanoseconds {
                case ...10_000_000: 0
                case ...25_000_000: 1
                case ...50_000_000: 2
                case ...100_000_000: 3
                case ...200_000_000: 4
                case ...300_000_000: 5
                case ...500_000_000: 6
                case ...750_000_000: 7
                case ...1_000_000_000: 8
                case ...2_000_000_000: 9
                case ...3_000_000_000: 10
                case ...5_000_000_000: 11
                case ...10_000_000_000: 12
                case ...30_000_000_000: 13
                case ...60_000_000_000: 14
                default: 15
                }
            }
        }
    }

    public let scale: Scale
    /// Values per bucket; the last one counts those beyond every bound.
    public private(set) var counts = SIMD16<UInt64>()
    public private(set) var sumNanoseconds: Int64 = 0

    public init(_ scale: Scale) { self.scale = scale }

    public mutating func record(_ duration: Duration) { record(nanoseconds: duration.nanoseconds) }

    mutating func record(nanoseconds: Int64) {
        counts[scale.bucket(nanoseconds)] &+= 1
        sumNanoseconds &+= nanoseconds
    }

    public var count: UInt64 { counts.wrappedSum() }

    /// Adds another histogram of the same scale.
    public mutating func add(_ other: Histogram) {
        counts &+= other.counts
        sumNanoseconds &+= other.sumNanoseconds
    }
}
