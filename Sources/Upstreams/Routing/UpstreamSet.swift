/// A set of configured upstreams, by index in the configuration: at most ``UpstreamSet/maxCount``.
package struct UpstreamSet: OptionSet, Hashable, Sendable {
    /// Most upstreams of a server.
    package static let maxCount = 64

    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The set of the upstream at this index.
    package init(_ index: Int) { rawValue = 1 << UInt64(index) }

    package var count: Int { rawValue.nonzeroBitCount }
    package func contains(_ index: Int) -> Bool { contains(UpstreamSet(index)) }
    package mutating func insert(_ index: Int) { formUnion(UpstreamSet(index)) }

    /// Calls `body` with each index, in order.
    @inline(__always) func forEach(_ body: (Int) -> Void) {
        var rest = rawValue
        while rest != 0 {
            body(rest.trailingZeroBitCount)
            rest &= rest - 1
        }
    }
}
