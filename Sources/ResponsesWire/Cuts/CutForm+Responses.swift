import Bytes
import JSON
package import Sessions

/// Cuts in the vocabulary of Responses. Nothing here is done for a token: only ends are ever written anew.
extension CutForm {
    /// The event as this reader gets it, where that is not as the log has it.
    package func retold(_ event: SessionEvent) -> (type: StaticString, json: [UInt8])? {
        guard self != .native, event.kind == .responseIncomplete || event.kind == .responseCancelled else { return nil }
        return retold(end: ResponsesEncoder.json(event))
    }

    /// The last event of a response as this reader gets it; nil where it was not cut.
    /// - Parameter json: as it stands in the log.
    package func retold(end json: [UInt8]) -> (type: StaticString, json: [UInt8])? {
        if self == .native { return nil }
        return json.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, limits: .own)
            var output = ByteBuffer()
            guard let told = try? rewrite(end: &reader, into: &output) else { return nil }
            return (told.responsesType, output.array)
        }
    }

    /// A response object as this reader gets it.
    /// - Parameter json: as it stands.
    package func retold(response json: [UInt8]) -> [UInt8] {
        if self == .native { return json }
        return json.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, limits: .own)
            var output = ByteBuffer()
            // What we wrote ourselves can be read; if it cannot, the truth is better than nothing.
            guard (try? rewrite(response: &reader, into: &output)) != nil else { return json }
            return output.array
        }
    }

    /// The event that tells this form.
    private var endKind: EventKind {
        switch self {
        case .native, .incomplete: .responseIncomplete
        case .completed: .responseCompleted
        case .failed: .responseFailed
        }
    }

    /// - Returns: the type that it is told by; nil when the response was not cut.
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

    /// - Returns: nil when the response was not cut.
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
                // The truth, in front of its closing brace.
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

    /// Copies an object, the value of each member as `member` writes it.
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
