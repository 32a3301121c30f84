import Bytes
import JSON
import JSONSchema

/// The three ways through a text agree in value and error; what is written is read back equal, and is written the same.
func fuzzJSON(_ data: UnsafeRawBufferPointer) {
    withCopy(data, 0, data.count) { copy in
        let bytes = UnsafeRawBufferPointer(copy)
        let parsed = outcome { () throws(JSONError) in try JSONValue.parse(bytes) }
        let walked = outcome { () throws(JSONError) in
            var reader = JSONReader(bytes)
            let value = try walk(&reader)
            try reader.finish()
            return value
        }
        check(parsed == walked, "walked \(walked), parsed \(parsed)")
        let skipped = outcome { () throws(JSONError) in
            var reader = JSONReader(bytes)
            try reader.skipValue()
            try reader.finish()
            return JSONValue.null
        }
        switch (parsed, skipped) {
        case (.success(let value), .success): checkIsReadBack(value)
        case (.failure(let error), .failure(let other)):
            check(error == other, "skipped \(other), parsed \(error)")
            check((0...bytes.count).contains(error.byteOffset), "an offset beyond the text")
        default: check(false, "skipped \(skipped), parsed \(parsed)")
        }
    }
    // Any bytes become a string that is read back as what Unicode makes of them.
    var output = ByteBuffer()
    output.appendJSONString(utf8: data)
    let text = String(decoding: data, as: UTF8.self)
    check(outcome { () throws(JSONError) in try JSONValue.parse(output.bytes) } == .success(.string(text)), "another string")
}

private func outcome(_ body: () throws(JSONError) -> JSONValue) -> Result<JSONValue, JSONError> {
    do throws(JSONError) { return .success(try body()) } catch { return .failure(error) }
}

private func checkIsReadBack(_ value: JSONValue) {
    let written = value.serialized()
    let again = outcome { () throws(JSONError) in try JSONValue.parse(written) }
    check(again == .success(value), "\(value) is read back as \(again)")
    if case .success(let again) = again { check(again.serialized() == written, "\(value) is written in two ways") }
    if let number = value.number { _ = (number.int, number.double) }
}

/// Builds the value by the reader's single steps.
private func walk(_ reader: inout JSONReader) throws(JSONError) -> JSONValue {
    switch try reader.peek() {
    case .null:
        _ = try reader.readNull()
        return .null
    case .bool: return .bool(try reader.readBool())
    case .number: return .number(try reader.readNumber())
    case .string:
        let raw = try reader.readString()
        let string = raw.string()
        var copy = string
        check(copy.withUTF8 { raw.equals(utf8: UnsafeRawBufferPointer($0)) }, "a string that differs from itself")
        return .string(string)
    case .array:
        var array: [JSONValue] = []
        try reader.enterArray()
        while try reader.nextElement() { array.append(try walk(&reader)) }
        return .array(array)
    case .object:
        var object = JSONObject()
        try reader.enterObject()
        while let key = try reader.nextKey() { object[key.string()] = try walk(&reader) }
        return .object(object)
    }
}

/// A schema, and behind a line end a value to judge by it: both are bounded, and the verdict is the same twice.
func fuzzSchema(_ data: UnsafeRawBufferPointer) {
    let parts = data.split(separator: UInt8(ascii: "\n"), maxSplits: 1)
    guard let first = parts.first, let text = try? JSONValue.parse(UnsafeRawBufferPointer(rebasing: first)) else { return }
    let schema: JSONSchema
    do throws(JSONSchemaError) {
        schema = try JSONSchema(text)
    } catch {
        check(!error.message.isEmpty, "an error without words")
        return
    }
    guard parts.count == 2, let value = try? JSONValue.parse(UnsafeRawBufferPointer(rebasing: parts[1])) else { return }
    let verdict = schema.firstViolation(in: value)
    check(verdict == schema.firstViolation(in: value), "two verdicts of one value")
}
