// Numbers from outside (a client, an upstream, a runner, a file, the clock) can have any value. Swift's conversions and operators
// trap when the result does not fit; these return the nearest value that does. `Scripts/lint_numbers.py` and the declarations in
// `TrappingConversions.swift` catch uses of the trapping ones.

extension FixedWidthInteger {
    /// Rounds towards zero and clamps to the type's range; 0 for NaN.
    @inlinable
    public init(saturating value: Double) {
        if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else {
            self = value.isNaN ? 0 : value < 0 ? .min : .max
        }
    }

    /// The sum, or the bound of the type that it passes.
    @inlinable
    public func saturatingAdding(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// The difference, or the bound of the type that it passes.
    @inlinable
    public func saturatingSubtracting(_ other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }

    /// The product, or the bound of the type that it passes.
    @inlinable
    public func saturatingMultiplied(by other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }

    /// Adds; stays at the bound of the type that the sum would pass.
    @inlinable
    public mutating func saturatingAdd(_ other: Self) { self = saturatingAdding(other) }
}

extension Duration {
    /// Upper bound of every wait: 100 years. Two of them still fit into 64 bits of nanoseconds.
    public static let longest = Duration.seconds(100 * 366 * 86_400)

    /// Clamped to ``longest`` in both directions; 0 for NaN.
    public init(saturatingSeconds seconds: Double) {
        let most = Double(Self.longest.components.seconds)
        self = .nanoseconds(Int64(saturating: min(max(seconds.isNaN ? 0 : seconds, -most), most) * 1e9))
    }

    /// Clamped to ``longest`` in both directions.
    public init(saturatingSeconds seconds: Int) {
        let most = Int(clamping: Self.longest.components.seconds)
        self = .seconds(min(max(seconds, -most), most))
    }
}
