// Redeclares the standard library's trapping conversions as deprecated. A module's declaration takes precedence over the standard
// library's, and warnings are errors here, so every file that imports this module cannot use them. `Scripts/lint_numbers.py` checks
// that files with floating-point values do import it.

extension Int {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: Int(saturating:) or Int(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension Int32 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: Int32(saturating:) or Int32(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension Int64 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: Int64(saturating:) or Int64(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension UInt8 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: UInt8(saturating:) or UInt8(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension UInt16 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: UInt16(saturating:) or UInt16(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension UInt32 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: UInt32(saturating:) or UInt32(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension UInt64 {
    /// Traps for what does not fit, NaN included.
    @available(*, deprecated, message: "ends the process when the value does not fit: UInt64(saturating:) or UInt64(exactly:)")
    public init(_ value: Double) { self.init(saturating: value) }
}

extension Duration {
    /// Traps beyond the range, and for NaN.
    @available(*, deprecated, message: "ends the process beyond the range: Duration(saturatingSeconds:)")
    public static func seconds(_ seconds: Double) -> Duration { Duration(saturatingSeconds: seconds) }

    /// Traps beyond the range, and for NaN.
    @available(*, deprecated, message: "ends the process beyond the range: Duration(saturatingSeconds:)")
    public static func milliseconds(_ milliseconds: Double) -> Duration { Duration(saturatingSeconds: milliseconds / 1e3) }
}
