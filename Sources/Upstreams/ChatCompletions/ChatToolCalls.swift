import Bytes
import JSON
import Sessions

/// The calls of tools in a chat answer: `{index, id?, type?, function: {name?, arguments?}}`, in pieces.
///
/// Numbers them itself: some servers give every call the index 0 and tell them apart by their id only.
struct ChatToolCalls: ~Copyable {
    private struct Call {
        let upstreamIndex: Int
        let id: String
    }

    private var calls: [Call] = []
    private var scratch = ByteBuffer()

    init() {}

    /// Reads the array `tool_calls`.
    mutating func read<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        try reader.enterArray()
        var position = 0
        while try reader.nextElement() {
            try readCall(&reader, position: position, into: sink)
            position += 1
        }
    }

    private mutating func readCall<Sink: ModelSink>(
        _ reader: inout JSONReader, position: Int, into sink: Sink
    ) throws(JSONError) {
        var index = position
        var id: RawString?
        var name: RawString?
        var arguments: UnsafeRawBufferPointer?
        scratch.clear()
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "index": if try !reader.readNull() { index = try reader.readInt() }
            case "id": id = try reader.readStringOrNull()
            case "function": try readFunction(&reader, &name, &arguments)
            default: try reader.skipValue()
            }
        }
        guard let place = place(index, id, name, into: sink) else { return }
        if let arguments { sink.toolCallArguments(index: place, escaped: arguments) }
    }

    private mutating func readFunction(
        _ reader: inout JSONReader, _ name: inout RawString?, _ arguments: inout UnsafeRawBufferPointer?
    ) throws(JSONError) {
        if try reader.readNull() { return }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "name": name = try reader.readStringOrNull()
            case "arguments":
                if try reader.peek() == .object {
                    // By the letter it is a string that holds JSON; some servers send the JSON itself.
                    scratch.appendJSONStringContents(utf8: try reader.rawValue())
                    arguments = scratch.bytes
                } else {
                    arguments = try reader.readStringOrNull()?.bytes
                }
            default: try reader.skipValue()
            }
        }
    }

    /// Our number of the call that a piece belongs to; tells the sink when it is a new one.
    private mutating func place<Sink: ModelSink>(
        _ index: Int, _ id: RawString?, _ name: RawString?, into sink: Sink
    ) -> Int? {
        let known = calls.lastIndex { $0.upstreamIndex == index }
        if let known {
            guard let id, let name, !id.isEmpty, !name.isEmpty else { return known }
            let text = id.string()
            if calls[known].id == text || calls[known].id.isEmpty { return known }
        }
        guard let name, calls.count < UpstreamLimits.maxToolCalls else { return nil }
        let callID = id?.string() ?? ""
        calls.append(Call(upstreamIndex: index, id: callID))
        sink.toolCall(index: calls.count - 1, callID: callID, name: name.string())
        return calls.count - 1
    }
}
