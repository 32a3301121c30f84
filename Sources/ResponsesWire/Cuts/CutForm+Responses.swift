import Bytes
import JSON
package import Sessions

/// Cuts in the Responses vocabulary. Nothing here runs for a token: only ends are rewritten.
extension CutForm {
    /// The event in this reader's form; nil if that is the same as in the log.
    package func retold(_ event: SessionEvent) -> (type: StaticString, json: [UInt8])? {
        guard self != .native, event.kind == .responseIncomplete || event.kind == .responseCancelled else { return nil }
        return retold(end: ResponsesEncoder.json(event))
    }

    /// A response's last event in this reader's form; nil if the response was not cut off.
    /// - Parameter json: the event as in the log.
    package func retold(end json: [UInt8]) -> (type: StaticString, json: [UInt8])? {
        if self == .native { return nil }
        return json.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, limits: .own)
            var output = ByteBuffer()
            guard let told = try? rewrite(end: &reader, into: &output) else { return nil }
            return (told.responsesType, output.array)
        }
    }

    /// A response object in this reader's form.
    /// - Parameter json: the object in its native form.
    package func retold(response json: [UInt8]) -> [UInt8] {
        if self == .native { return json }
        return json.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, limits: .own)
            var output = ByteBuffer()
            // The server's own JSON is valid; if it cannot be parsed after all, the native form is better than nothing.
            guard (try? rewrite(response: &reader, into: &output)) != nil else { return json }
            return output.array
        }
    }

    /// The kind of the last event in this form.
    private var endKind: EventKind {
        switch self {
        case .native, .incomplete: .responseIncomplete
        case .completed: .responseCompleted
        case .failed: .responseFailed
        }
    }

    /// - Returns: the kind of the rewritten event; nil if the response was not cut off.
    private func rewrite(end reader: inout JSONReader, into output: inout ByteBuffer) throws(JSONError) -> EventKind? {
        guard let cut = try Self.cut(ofEnd: reader) else { return nil }
        let form = resolved(for: cut)
        try Self.rewriteObject(&reader, into: &output) { (key, reader, output) throws(JSONError) in
            switch key {
            case "type":
                try reader.skipValue()
                output.appendJSONString("\(form.endKind.responsesType)")
            case "response": try form.rewrite(response: &reader, of: cut, into: &output)
            default: output.append(try reader.rawValue())
            }
        }
        return form.endKind
    }

    private static func cut(ofEnd event: JSONReader) throws(JSONError) -> Cut? {
        var reader = event
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if key == "response" { return try Cut(reader) }
            try reader.skipValue()
        }
        return nil
    }

    /// - Returns: nil if the response was not cut off.
    private func rewrite(response reader: inout JSONReader, into output: inout ByteBuffer) throws(JSONError) -> Void? {
        guard let cut = try Cut(reader) else { return nil }
        return try resolved(for: cut).rewrite(response: &reader, of: cut, into: &output)
    }

    private func rewrite(response reader: inout JSONReader, of cut: Cut, into output: inout ByteBuffer) throws(JSONError) {
        try Self.rewriteObject(&reader, into: &output) { (key, reader, output) throws(JSONError) in
            let value = try reader.rawValue()
            switch key {
            case "status": output.appendJSONString(rawValue)
            case "incomplete_details":
                output.append(self == .incomplete ? "{\"reason\":\"max_output_tokens\"}" : "null")
            case "error" where self == .failed:
                output.appendJSONObject {
                    $0.field("code", Cut.errorCode)
                    $0.field("message", cut.message)
                }
            case "interject":
                // The native status and reason, before the object's closing brace.
                output.append(UnsafeRawBufferPointer(rebasing: value.dropLast()))
                output.append(",\"status\":")
                output.appendJSONString(cut.status)
                output.append(",\"incomplete_details\":")
                if let reason = cut.reason {
                    output.appendJSONObject { $0.field("reason", reason.rawValue) }
                } else {
                    output.append("null")
                }
                output.append("}")
            default: output.append(value)
            }
        }
    }

    /// Copies an object, with each value written by `member`.
    private static func rewriteObject(
        _ reader: inout JSONReader, into output: inout ByteBuffer,
        _ member: (RawString, inout JSONReader, inout ByteBuffer) throws(JSONError) -> Void
    ) throws(JSONError) {
        output.append("{")
        var isFirst = true
        try reader.enterObject()
        while let key = try reader.nextKey() {
            output.append(isFirst ? "\"" : ",\"")
            isFirst = false
            key.appendRaw(to: &output)
            output.append("\":")
            try member(key, &reader, &output)
        }
        output.append("}")
    }
}
