/// Why and where a text is not valid JSON.
///
/// A trivial value: throwing it allocates nothing, so the token path can use it.
public struct JSONError: Error, Hashable, Sendable {
    /// What was wrong. "Expected" names the only thing allowed at ``byteOffset``.
    public enum Reason: Hashable, Sendable {
        /// The grammar allows only this here (RFC 8259 §2).
        case expectedValue, expectedKey, expectedColon, expectedEndOfInput
        /// A member or element ended, and neither another one nor the end of its container follows.
        case expectedCommaOrObjectEnd, expectedCommaOrArrayEnd
        /// ``JSONReader`` was asked for this kind, and the value has another.
        case expectedObject, expectedArray, expectedString, expectedNumber, expectedBool, expectedNull
        /// The input ended within a value: truncated, or incomplete so far.
        case unexpectedEnd
        /// Not the number grammar of RFC 8259 §6 (leading zero, missing digits, `+`, `.5`).
        case invalidNumber
        /// The number is not an integer, or does not fit `Int`.
        case integerOutOfRange
        /// A backslash followed by something other than `"\/bfnrt` or `u` and four hexadecimal digits.
        case invalidEscape
        /// A byte below 0x20 within a string; it must be escaped (RFC 8259 §7).
        case unescapedControlCharacter
        /// Bytes within a string that are not UTF-8 (RFC 8259 §8.1).
        case invalidUTF8
        /// More open arrays and objects than ``JSONLimits/maxDepth``.
        case tooDeep
        /// More bytes than ``JSONLimits/maxByteCount``.
        case tooLong
        /// More values than ``JSONLimits/maxValueCount``.
        case tooManyValues
    }

    /// What was wrong.
    public let reason: Reason
    /// Offset of the offending byte from the start of the input, in bytes.
    public let byteOffset: Int

    /// - Parameter byteOffset: from the start of the input, in bytes.
    public init(_ reason: Reason, byteOffset: Int) {
        self.reason = reason
        self.byteOffset = byteOffset
    }
}

extension JSONError: CustomStringConvertible {
    /// Human-readable: what was expected, and the byte offset.
    public var description: String { "invalid JSON at byte \(byteOffset): \(reason.advice)" }
}

extension JSONError.Reason {
    /// What was expected, as an English clause.
    public var advice: String {
        switch self {
        case .expectedValue: "expected a value (object, array, string, number, true, false or null)"
        case .expectedKey: "expected a key in double quotes"
        case .expectedColon: "expected ':' after the key"
        case .expectedCommaOrObjectEnd: "expected ',' or '}'"
        case .expectedCommaOrArrayEnd: "expected ',' or ']'"
        case .expectedEndOfInput: "expected the end of the text after the value"
        case .expectedObject: "expected an object"
        case .expectedArray: "expected an array"
        case .expectedString: "expected a string"
        case .expectedNumber: "expected a number"
        case .expectedBool: "expected true or false"
        case .expectedNull: "expected null"
        case .unexpectedEnd: "the text ends within a value; send the whole of it"
        case .invalidNumber: "not a JSON number; write digits without leading zeros, like 0, -1.5 or 2e8"
        case .integerOutOfRange: "expected an integer of at most 64 bits"
        case .invalidEscape: "unknown escape; allowed are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX"
        case .unescapedControlCharacter: "control characters in strings must be escaped, like \\n or \\u0000"
        case .invalidUTF8: "the string is not valid UTF-8"
        case .tooDeep: "too many nested arrays and objects; flatten the value"
        case .tooLong: "the text is longer than the limit"
        case .tooManyValues: "the text has more values than the limit; send fewer, or larger ones"
        }
    }
}
