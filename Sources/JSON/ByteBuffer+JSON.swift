public import Bytes

extension ByteBuffer {
    /// Appends the value as compact JSON.
    public mutating func appendJSON(_ value: JSONValue) {
        switch value {
        case .null: append("null" as StaticString)
        case .bool(let value): appendJSON(value)
        case .number(let number): append(number.text)
        case .string(let string): appendJSONString(string)
        case .array(let array):
            append(UInt8(ascii: "["))
            var isFirst = true
            for element in array {
                if !isFirst { append(UInt8(ascii: ",")) }
                isFirst = false
                appendJSON(element)
            }
            append(UInt8(ascii: "]"))
        case .object(let object): appendJSON(object)
        }
    }

    /// Appends the object as compact JSON.
    public mutating func appendJSON(_ object: JSONObject) {
        append(UInt8(ascii: "{"))
        var isFirst = true
        for (key, value) in object {
            if !isFirst { append(UInt8(ascii: ",")) }
            isFirst = false
            appendJSONString(key)
            append(UInt8(ascii: ":"))
            appendJSON(value)
        }
        append(UInt8(ascii: "}"))
    }

    /// Appends `true` or `false`.
    public mutating func appendJSON(_ value: Bool) {
        append(value ? "true" as StaticString : "false" as StaticString)
    }

    /// Appends the shortest text that reads back as the same double; `null` for NaN and infinities.
    public mutating func appendJSON(_ value: Double) {
        if value.isFinite { append(value.description) } else { append("null" as StaticString) }
    }
}

extension JSONValue: CustomStringConvertible {
    /// Compact JSON as UTF-8.
    public func serialized() -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSON(self)
        return buffer.array
    }

    /// Compact JSON.
    public var description: String {
        var buffer = ByteBuffer()
        buffer.appendJSON(self)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}
