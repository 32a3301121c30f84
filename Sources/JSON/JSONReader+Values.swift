import Bytes

extension JSONReader {
    /// The string that begins here.
    public mutating func readString() throws(JSONError) -> RawString {
        guard try nextByte() == UInt8(ascii: "\"") else { throw JSONError(.expectedString, byteOffset: byteOffset) }
        return try scanString()
    }

    /// The string that begins here, or nil when it is null.
    public mutating func readStringOrNull() throws(JSONError) -> RawString? {
        try readNull() ? nil : try readString()
    }

    /// The integer that begins here. `1.0` and `1e3` count as integers, `1.5` does not. Plain digits allocate nothing.
    public mutating func readInt() throws(JSONError) -> Int {
        let (number, offset) = try scanNumber()
        if number.isInteger {
            if let value = Self.integer(start, offset..<number.end) { return value }
        } else if let value = Double(text(offset..<number.end)).flatMap({ Int(exactly: $0) }) {
            return value
        }
        throw JSONError(.integerOutOfRange, byteOffset: offset)
    }

    /// The number that begins here, rounded to the nearest double; infinite beyond the range.
    public mutating func readDouble() throws(JSONError) -> Double {
        let (number, offset) = try scanNumber()
        if number.isInteger, let value = Self.integer(start, offset..<number.end) { return Double(value) }
        return Double(text(offset..<number.end)) ?? .nan
    }

    /// The number that begins here, its text as written.
    public mutating func readNumber() throws(JSONError) -> JSONNumber {
        let (number, offset) = try scanNumber()
        return JSONNumber(checkedText: text(offset..<number.end))
    }

    /// The string that begins here, or the text of a number or boolean; nil for null, arrays and objects.
    public mutating func readScalar() throws(JSONError) -> RawString? {
        switch try peek() {
        case .string: return try readString()
        case .number, .bool:
            let text = try rawValue()
            guard let start = text.baseAddress else { return nil }
            return RawString(start: start, byteCount: text.count, hasEscapes: false)
        case .null, .object, .array:
            try skipValue()
            return nil
        }
    }

    /// The `true` or `false` that begins here.
    public mutating func readBool() throws(JSONError) -> Bool {
        switch try nextByte() {
        case UInt8(ascii: "t"):
            try readWord("true")
            return true
        case UInt8(ascii: "f"):
            try readWord("false")
            return false
        default: throw JSONError(.expectedBool, byteOffset: byteOffset)
        }
    }

    /// Reads `null` if it begins here; otherwise reads nothing and returns false.
    public mutating func readNull() throws(JSONError) -> Bool {
        guard try nextByte() == UInt8(ascii: "n") else { return false }
        try readWord("null")
        return true
    }

    /// Skips the value that begins here, and validates it.
    public mutating func skipValue() throws(JSONError) {
        switch try peek() {
        case .string: _ = try scanString()
        case .number: _ = try scanNumber()
        case .bool: _ = try readBool()
        case .null: try readWord("null")
        case .object:
            try enterObject()
            while try nextKey() != nil { try skipValue() }
        case .array:
            try enterArray()
            while try nextElement() { try skipValue() }
        }
    }

    /// The validated bytes of the value that begins here, for verbatim use. A view of the reader's bytes.
    public mutating func rawValue() throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try nextByte()
        let first = byteOffset
        try skipValue()
        return UnsafeRawBufferPointer(start: start + first, count: byteOffset - first)
    }

    /// A copy of the value that begins here. Of duplicate keys, the last value wins, at the first one's position.
    public mutating func readValue() throws(JSONError) -> JSONValue {
        guard valuesLeft > 0 else { throw JSONError(.tooManyValues, byteOffset: byteOffset) }
        valuesLeft -= 1
        switch try peek() {
        case .string: return .string(try scanString().string())
        case .number: return .number(try readNumber())
        case .bool: return .bool(try readBool())
        case .null:
            try readWord("null")
            return .null
        case .object:
            try enterObject()
            var object = JSONObject()
            while let key = try nextKey() {
                let name = key.string()
                object[name] = try readValue()
            }
            return .object(object)
        case .array:
            try enterArray()
            var array: [JSONValue] = []
            while try nextElement() { array.append(try readValue()) }
            return .array(array)
        }
    }

    private mutating func scanNumber() throws(JSONError) -> (NumberScan, offset: Int) {
        let byte = try nextByte()
        guard byte == UInt8(ascii: "-") || NumberScan.isDigit(byte) else {
            throw JSONError(.expectedNumber, byteOffset: byteOffset)
        }
        let offset = byteOffset
        let scan = try NumberScan(start, from: offset, byteCount: byteCount)
        byteOffset = scan.end
        return (scan, offset)
    }

    /// Consumes the word, which must be at `byteOffset`.
    private mutating func readWord(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard byteOffset + index < byteCount else { throw JSONError(.unexpectedEnd, byteOffset: byteCount) }
            guard start.load(fromByteOffset: byteOffset + index, as: UInt8.self) == word.utf8Start[index] else {
                throw JSONError(.expectedValue, byteOffset: byteOffset)
            }
        }
        byteOffset += word.utf8CodeUnitCount
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start + range.lowerBound, count: range.count), as: UTF8.self)
    }

    /// The digits, accumulated as a negative number because `Int` has one more of those; nil if they do not fit.
    static func integer(_ start: UnsafeRawPointer, _ range: Range<Int>) -> Int? {
        var position = range.lowerBound
        let isNegative = start.load(fromByteOffset: position, as: UInt8.self) == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var negated = 0
        while position < range.upperBound {
            let digit = Int(start.load(fromByteOffset: position, as: UInt8.self) &- UInt8(ascii: "0"))
            let (shifted, tooLarge) = negated.multipliedReportingOverflow(by: 10)
            let (next, stillTooLarge) = shifted.subtractingReportingOverflow(digit)
            if tooLarge || stillTooLarge { return nil }
            negated = next
            position += 1
        }
        if isNegative { return negated }
        return negated == .min ? nil : -negated
    }
}
