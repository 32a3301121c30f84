import Bytes
import JSON
import Sessions

/// What a provider must get back, as a client of Chat Completions has it: members beside the message's or the call's own.
///
/// Of a `chat/completions` upstream as they came; of Anthropic its blocks, as `thinking_blocks`. Clients send them back in the same
/// place.
struct ProviderMembers {
    private var members = JSONObject()

    var isEmpty: Bool { members.isEmpty }

    init() {}

    /// - Parameter item: as it stands in an event.
    init(_ item: JSONValue) {
        guard let data = ProviderData(ofItem: item) else { return }
        if data.dialect == ProviderData.anthropic {
            if let block = Self.thinkingBlock(data, of: item) { members["thinking_blocks"] = [block] }
        } else {
            for (name, value) in data.members where !ProviderData.ownMembers.contains(name) { members[name] = value }
        }
    }

    private static func thinkingBlock(_ data: ProviderData, of item: JSONValue) -> JSONValue? {
        if let redacted = data.members["redacted"] { return ["type": "redacted_thinking", "data": redacted] }
        guard let signature = data.members["signature"] else { return nil }
        let text = (item["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined()
        return ["type": "thinking", "thinking": .string(text), "signature": signature]
    }

    /// Takes those of another item of the same message: lists grow.
    mutating func take(_ other: ProviderMembers) {
        for (name, value) in other.members {
            if let list = members[name]?.array, let more = value.array {
                members[name] = .array(list + more)
            } else {
                members[name] = value
            }
        }
    }

    /// Writes them into an object.
    func write(to writer: inout JSONObjectWriter) {
        for (name, value) in members { writer.member(name, value) }
    }

    /// Appends them as members of an object that others may stand in, without its braces.
    func append(to output: inout ByteBuffer) {
        var object = ByteBuffer()
        object.appendJSONObject { write(to: &$0) }
        output.append(UnsafeRawBufferPointer(rebasing: object.bytes.dropFirst().dropLast()))
    }
}
