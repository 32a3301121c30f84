extension JSONValue {
    /// Size of the compact JSON without escapes, in bytes. Visits each value but no text.
    public var approximateByteCount: Int {
        switch self {
        case .null, .bool: 5
        case .number(let number): number.text.utf8.count + 1
        case .string(let text): text.utf8.count + 3
        case .array(let values): values.reduce(2) { $0 + $1.approximateByteCount }
        case .object(let object): object.approximateByteCount
        }
    }

    /// Number of values, including nested ones.
    public var valueCount: Int {
        switch self {
        case .null, .bool, .number, .string: 1
        case .array(let values): values.reduce(1) { $0 + $1.valueCount }
        case .object(let object): object.reduce(1) { $0 + $1.value.valueCount }
        }
    }

    /// Cost of visiting the whole value: one step per value and per 64 bytes of text.
    public var weight: Int {
        switch self {
        case .null, .bool: 1
        case .number(let number): 1 + number.text.utf8.count / 64
        case .string(let text): 1 + text.utf8.count / 64
        case .array(let values): values.reduce(1) { $0 + $1.weight }
        case .object(let object): object.reduce(1) { $0 + 1 + $1.key.utf8.count / 64 + $1.value.weight }
        }
    }
}

extension JSONObject {
    /// See ``JSONValue/approximateByteCount``.
    public var approximateByteCount: Int { reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.approximateByteCount } }
}
