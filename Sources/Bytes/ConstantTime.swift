extension Collection where Element == UInt8 {
    /// Whether both are the same bytes, in a time that depends on their lengths alone: for secrets, which a stranger could else find out
    /// byte by byte. Nothing is equal to nothing.
    public func isEqualInConstantTime(to other: some Collection<UInt8>) -> Bool {
        guard count == other.count, !isEmpty else { return false }
        var difference: UInt8 = 0
        for (left, right) in zip(self, other) { difference |= left ^ right }
        return difference == 0
    }
}
