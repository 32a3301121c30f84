extension JSONValue {
    /// Reads one JSON text, strictly by RFC 8259: nothing but white space may surround the value, no byte order mark.
    ///
    /// Escaped lone surrogates, which models do emit, become U+FFFD. Of duplicate keys, the last value wins.
    /// - Throws: ``JSONError`` with the offset of the first invalid byte.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, limits: JSONLimits = .default
    ) throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.maxByteCount else { throw JSONError(.tooLong, byteOffset: limits.maxByteCount) }
        var reader = JSONReader(bytes, limits: limits)
        let value = try reader.readValue()
        try reader.finish()
        return value
    }

    /// See ``parse(_:limits:)-(UnsafeRawBufferPointer,_)``.
    public static func parse(_ bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) -> JSONValue {
        // `withUnsafeBytes` loses the error's type; the result carries it out.
        let result: Result<JSONValue, JSONError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in try parse(bytes, limits: limits) }
        }
        return try result.get()
    }

    /// See ``parse(_:limits:)-(UnsafeRawBufferPointer,_)``.
    public static func parse(_ text: String, limits: JSONLimits = .default) throws(JSONError) -> JSONValue {
        var text = text
        let result: Result<JSONValue, JSONError> = text.withUTF8 { bytes in
            Result { () throws(JSONError) in try parse(UnsafeRawBufferPointer(bytes), limits: limits) }
        }
        return try result.get()
    }
}
