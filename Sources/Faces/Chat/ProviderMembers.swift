import Bytes
import JSON
import Sessions

/// Data that must be returned to the provider, in the form of Chat Completions: members of the message or the tool call.
///
/// Those of a `chat/completions` upstream are passed on verbatim, Anthropic's blocks as `thinking_blocks`. Clients send them back
/// in the same members.
struct ProviderMembers {
    private var members = JSONObject()

    var isEmpty: Bool { members.isEmpty }

    init() {}

    /// - Parameter item: the item as in an event.
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

    /// Merges the members of another item of the same message: lists are concatenated.
    mutating func take(_ other: ProviderMembers) {
        for (name, value) in other.members {
            if let list = members[name]?.array, let more = value.array {
                members[name] = .array(list + more)
            } else {
                members[name] = value
            }
        }
    }

    /// Writes the members into an object.
    func write(to writer: inout JSONObjectWriter) {
        for (name, value) in members { writer.member(name, value) }
    }

    /// Appends the members without braces, to a partly written object.
    func append(to output: inout ByteBuffer) {
        var object = ByteBuffer()
        object.appendJSONObject { write(to: &$0) }
        output.append(UnsafeRawBufferPointer(rebasing: object.bytes.dropFirst().dropLast()))
    }
}
