import Bytes
import JSON
import Sessions

/// Assembles the `reasoning_details` of an answer from a stream's pieces. Pieces with the same type and index form one part: their
/// texts are concatenated, and the newest value of any other member wins.
struct ReasoningDetails: ~Copyable {
    /// Most bytes of details for one answer; further ones are dropped.
    static let maxByteCount = 4 << 20
    private static let growing = ["text", "summary", "data"]

    private var parts: [JSONValue] = []
    private var current: JSONObject?
    private var texts: [(name: String, text: String)] = []
    private var byteCount = 0

    init() {}

    var isEmpty: Bool { parts.isEmpty && current == nil }

    mutating func take(_ list: JSONValue) {
        for piece in list.array ?? [] {
            guard let object = piece.object, byteCount <= Self.maxByteCount else { continue }
            if let current, current["type"] != object["type"] || current["index"] != object["index"] { close() }
            merge(object)
        }
    }

    private mutating func merge(_ piece: JSONObject) {
        var whole = current ?? JSONObject()
        for (name, value) in piece where !value.isNull || whole[name] == nil {
            guard Self.growing.contains(name), let text = value.string else {
                whole[name] = value
                continue
            }
            byteCount = byteCount.saturatingAdding(text.utf8.count)
            if let index = texts.firstIndex(where: { $0.name == name }) {
                texts[index].text += text
            } else {
                texts.append((name, text))
                whole[name] = ""
            }
        }
        current = whole
    }

    private mutating func close() {
        guard var whole = current else { return }
        for (name, text) in texts { whole[name] = .string(text) }
        parts.append(.object(whole))
        current = nil
        texts = []
    }

    /// Returns the parts so far, and starts over.
    mutating func finish() -> [JSONValue] {
        close()
        defer { parts = [] }
        return parts
    }
}

extension ProviderData {
    /// Marks reasoning that the upstream sends in another member than `reasoning_content`.
    static func named(_ name: String) -> ProviderData { ProviderData(dialect: openAI, members: ["member": .string(name)]) }
}
