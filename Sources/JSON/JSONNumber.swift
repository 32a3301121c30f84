import Bytes

/// A JSON number in its original text, so any size and precision passes through unchanged.
///
/// Numbers are compared by their text: `1`, `1.0` and `1e0` are three different numbers.
public struct JSONNumber: Sendable, Hashable {
    /// The number as written (RFC 8259 §6).
    public let text: String

    init(checkedText: String) { text = checkedText }

    /// - Returns: nil if `text` is not a JSON number.
    public init?(text: String) {
        var copy = text
        let isNumber = copy.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            guard let start = bytes.baseAddress else { return false }
            do throws(JSONError) {
                return try NumberScan(start, from: 0, byteCount: bytes.count).end == bytes.count
            } catch {
                return false
            }
        }
        guard isNumber else { return nil }
        self.text = text
    }

    /// The integer in decimal.
    public init(_ value: some BinaryInteger) { text = String(value) }

    /// The shortest text that reads back as the same double; nil for NaN and infinities.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = value.description
    }

    /// The value as an integer, nil if it is not one or does not fit; `1.0` and `1e3` count as integers.
    public var int: Int? { Int(text) ?? Double(text).flatMap { isInteger ? nil : Int(exactly: $0) } }

    /// The nearest double; infinite beyond its range.
    public var double: Double { Double(text) ?? .nan }

    private var isInteger: Bool { !text.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") } }
}

extension JSONNumber: CustomStringConvertible {
    /// The text.
    public var description: String { text }
}

extension JSONNumber: ExpressibleByIntegerLiteral {
    /// The integer in decimal.
    public init(integerLiteral value: Int) { self.init(value) }
}
