import Bytes
import JSON

/// Lenient reading of upstreams' JSON. A value of an unexpected kind is skipped, but still validated as JSON.
extension JSONReader {
    /// Bookmarks the next value to read it later, and skips it. Nil for null.
    mutating func bookmark() throws(JSONError) -> JSONReader? {
        if try readNull() { return nil }
        let position = self
        try skipValue()
        return position
    }

    /// Reads a string; nil for any other type, which is skipped.
    mutating func readText() throws(JSONError) -> RawString? {
        if try peek() == .string { return try readString() }
        try skipValue()
        return nil
    }

    /// Enters an object; skips a value of any other type.
    mutating func enteredObject() throws(JSONError) -> Bool {
        guard try peek() == .object else {
            try skipValue()
            return false
        }
        try enterObject()
        return true
    }

    /// Enters an array; skips a value of any other type.
    mutating func enteredArray() throws(JSONError) -> Bool {
        guard try peek() == .array else {
            try skipValue()
            return false
        }
        try enterArray()
        return true
    }

    /// Reads a number, which may be in a string; nil for any other value.
    mutating func readLenientDouble() throws(JSONError) -> Double? {
        switch try peek() {
        case .number: return try readDouble()
        case .string:
            let text = try readString()
            return text.byteCount <= 32 ? Double(text.string().filter { $0 != " " && $0 != "," }) : nil
        default:
            try skipValue()
            return nil
        }
    }

    /// Reads a token count, which may be a float or in a string; nil for any other value.
    mutating func readCount() throws(JSONError) -> Int? {
        guard let number = try readLenientDouble(), number >= 0 else { return nil }
        // Bounded so that sums of counts never overflow.
        return Int(saturating: min(number, 0x1p40))
    }

    /// Reads the index of a choice, block or call, which may be a float or in a string; nil for any other value.
    mutating func readIndex() throws(JSONError) -> Int? {
        guard let number = try readLenientDouble(), number >= 0, number < 0x8000_0000 else { return nil }
        return Int(exactly: number)
    }

    /// Reads a word: a string, a number, or the first of either in an object or array.
    mutating func readWord() throws(JSONError) -> String? {
        switch try peek() {
        case .string:
            let text = try readString()
            return text.isEmpty ? nil : text.string()
        case .number: return try readNumber().text
        case .object:
            var word: String?
            try enterObject()
            while let key = try nextKey() {
                switch key {
                case "type", "reason", "name", "value", "finish_reason", "stop_reason":
                    let found = try readWord()
                    word = word ?? found
                default: try skipValue()
                }
            }
            return word
        case .array:
            var word: String?
            try enterArray()
            while try nextElement() {
                let found = try readWord()
                word = word ?? found
            }
            return word
        case .bool, .null:
            try skipValue()
            return nil
        }
    }
}
