import Testing

@testable import Network

@Suite struct HistogramTests {
    /// The chain of comparisons and the bounds that are written must be the same: `le` means at most.
    @Test(arguments: [Histogram.Scale.short, .long]) func eachBoundIsInItsOwnBucket(scale: Histogram.Scale) throws {
        let bounds = scale.bounds
        #expect(bounds.count == 15)
        for (index, bound) in bounds.enumerated() {
            var histogram = Histogram(scale)
            histogram.record(.nanoseconds(bound.nanoseconds))
            #expect(histogram.counts[index] == 1)
            histogram.record(.nanoseconds(bound.nanoseconds + 1))
            #expect(histogram.counts[index + 1] == 1)
            #expect(histogram.count == 2 && histogram.sumNanoseconds == 2 * bound.nanoseconds + 1)
            #expect(try #require(Double(bound.text)) == Double(bound.nanoseconds) / 1e9)
        }
    }

    @Test func histogramsAddUp() {
        var one = Histogram(.short)
        var two = Histogram(.short)
        one.record(.milliseconds(1))
        two.record(.seconds(100))
        one.add(two)
        #expect(one.count == 2 && one.counts[15] == 1)
    }
}
