extension Collection where Element == UInt8 {
    /// Compares secrets in a time that depends only on their lengths, so an attacker cannot guess them byte by byte. Empty
    /// collections are never equal.
    public func isEqualInConstantTime(to other: some Collection<UInt8>) -> Bool {
        guard count == other.count, !isEmpty else { return false }
        var difference: UInt8 = 0
        for (left, right) in zip(self, other) { difference |= left ^ right }
        return difference == 0
    }
}
