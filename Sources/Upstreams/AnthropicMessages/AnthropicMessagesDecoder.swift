import Bytes
import HTTP
import JSON
package import Sessions

/// Reads the answer of Anthropic's `messages`: typed events up to `message_stop`, or one object.
package struct AnthropicMessagesDecoder: ResponseDecoder, ~Copyable {
    private enum Progress {
        case streaming
        /// The stop reason has come, `message_stop` not yet.
        case stopping(FinishReason)
        case stopped(FinishReason)
    }

    /// The block of a tool call that is being written.
    private struct ToolBlock {
        let index: Int
        var hasArguments = false
    }

    package private(set) var hasDelivered = false
    private var events = ServerSentEventParser(maxEventBytes: UpstreamLimits.maxEventBytes)
    private var progress = Progress.streaming
    private var toolBlock: ToolBlock?
    private var usage = AnthropicUsage()

    package init() {}

    package mutating func receive<Sink: ModelSink>(
        _ bytes: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason? {
        var input = bytes
        while let event = try nextEvent(&input) {
            try read(event.data, into: sink)
            if case .stopped(let reason) = progress { return reason }
        }
        return nil
    }

    package mutating func end() throws(UpstreamFault) -> FinishReason {
        switch progress {
        case .stopping(let reason), .stopped(let reason): return reason
        case .streaming: throw .truncated
        }
    }

    private mutating func nextEvent(_ input: inout UnsafeRawBufferPointer) throws(UpstreamFault) -> ServerSentEvent? {
        do throws(ServerSentEventError) {
            return try events.next(&input)
        } catch {
            throw .malformed("an event of more than \(UpstreamLimits.maxEventBytes) bytes")
        }
    }

    /// The members of an event; `type` need not come first, so the others are bookmarked and read afterwards.
    private struct Event {
        var type: RawString?
        var index = 0
        var delta: JSONReader?
        var contentBlock: JSONReader?
        var message: JSONReader?
        var usage: JSONReader?
        var error: JSONReader?
    }

    private mutating func read<Sink: ModelSink>(_ json: UnsafeRawBufferPointer, into sink: Sink) throws(UpstreamFault) {
        var errorObject: UpstreamErrorObject?
        var isOver = false
        do throws(JSONError) {
            var reader = JSONReader(json)
            var event = Event()
            try reader.enterObject()
            while let key = try reader.nextKey() {
                switch key {
                case "type": event.type = try reader.readString()
                case "index": event.index = try reader.readInt()
                case "delta": event.delta = try reader.bookmark()
                case "content_block": event.contentBlock = try reader.bookmark()
                case "message": event.message = try reader.bookmark()
                case "usage": event.usage = try reader.bookmark()
                case "error": event.error = try reader.bookmark()
                default: try reader.skipValue()
                }
            }
            try reader.finish()
            guard let type = event.type else { throw JSONError(.expectedKey, byteOffset: json.count) }
            switch type {
            case "content_block_delta": if var delta = event.delta { try readDelta(&delta, event.index, into: sink) }
            case "content_block_start": if var block = event.contentBlock { try readBlock(&block, event.index, into: sink) }
            case "content_block_stop": endBlock(event.index, into: sink)
            case "message_start": if var message = event.message { try readStart(&message) }
            case "message_delta":
                if var delta = event.delta { try readStop(&delta) }
                if var counts = event.usage {
                    try usage.read(&counts)
                    sink.reportUsage(usage.total)
                }
            case "message_stop": isOver = true
            case "error":
                errorObject = UpstreamErrorObject()
                if var error = event.error { errorObject = UpstreamErrorObject(try error.readValue()) }
            default:
                // `ping`, and what may come later: clients are to pass over what they do not know.
                break
            }
        } catch {
            throw .malformed("an event with \(error)")
        }
        if let errorObject { throw .inBand(errorObject) }
        if isOver { progress = .stopped(try end()) }
    }

    private mutating func readDelta<Sink: ModelSink>(
        _ reader: inout JSONReader, _ index: Int, into sink: Sink
    ) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "text":
                let text = try reader.readString()
                hasDelivered = hasDelivered || !text.isEmpty
                sink.textDelta(escaped: text.bytes)
            case "thinking":
                let text = try reader.readString()
                hasDelivered = hasDelivered || !text.isEmpty
                sink.reasoningDelta(escaped: text.bytes)
            case "partial_json":
                let text = try reader.readString()
                if !text.isEmpty, toolBlock?.index == index { toolBlock?.hasArguments = true }
                sink.toolCallArguments(index: index, escaped: text.bytes)
            default: try reader.skipValue()
            }
        }
    }

    private mutating func readBlock<Sink: ModelSink>(
        _ reader: inout JSONReader, _ index: Int, into sink: Sink
    ) throws(JSONError) {
        var isTool = false
        var id: RawString?
        var name: RawString?
        var text: RawString?
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "type": isTool = try reader.readString() == "tool_use"
            case "id": id = try reader.readStringOrNull()
            case "name": name = try reader.readStringOrNull()
            case "text": text = try reader.readStringOrNull()
            default: try reader.skipValue()
            }
        }
        if isTool {
            hasDelivered = true
            toolBlock = ToolBlock(index: index)
            sink.toolCall(index: index, callID: id?.string() ?? "", name: name?.string() ?? "")
        } else if let text, !text.isEmpty {
            hasDelivered = true
            sink.textDelta(escaped: text.bytes)
        }
    }

    private mutating func endBlock<Sink: ModelSink>(_ index: Int, into sink: Sink) {
        // No argument at all is told by no delta; a client expects JSON all the same.
        if let toolBlock, toolBlock.index == index, !toolBlock.hasArguments {
            let empty: StaticString = "{}"
            sink.toolCallArguments(
                index: index, escaped: UnsafeRawBufferPointer(start: empty.utf8Start, count: empty.utf8CodeUnitCount))
        }
        toolBlock = nil
    }

    private mutating func readStart(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if key == "usage" { try usage.read(&reader) } else { try reader.skipValue() }
        }
    }

    private mutating func readStop(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if key == "stop_reason" {
                if let reason = try reader.readStringOrNull() { progress = .stopping(FinishReason(anthropic: reason)) }
            } else {
                try reader.skipValue()
            }
        }
    }

    // MARK: Whole answers

    package mutating func receiveWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason {
        var errorObject: UpstreamErrorObject?
        do throws(JSONError) {
            var reader = JSONReader(body)
            try reader.enterObject()
            while let key = try reader.nextKey() {
                switch key {
                case "content":
                    try reader.enterArray()
                    var index = 0
                    while try reader.nextElement() {
                        try readWholeBlock(&reader, index, into: sink)
                        index += 1
                    }
                case "stop_reason":
                    if let reason = try reader.readStringOrNull() { progress = .stopped(FinishReason(anthropic: reason)) }
                case "usage":
                    try usage.read(&reader)
                    sink.reportUsage(usage.total)
                case "error": errorObject = UpstreamErrorObject(try reader.readValue())
                default: try reader.skipValue()
                }
            }
            try reader.finish()
        } catch {
            throw .malformed("a body with \(error)")
        }
        if let errorObject { throw .inBand(errorObject) }
        return try end()
    }

    private mutating func readWholeBlock<Sink: ModelSink>(
        _ reader: inout JSONReader, _ index: Int, into sink: Sink
    ) throws(JSONError) {
        var start = reader
        var delta = reader
        var arguments = ByteBuffer()
        var isTool = false
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "type": isTool = try reader.readString() == "tool_use"
            case "input": arguments.appendJSONStringContents(utf8: try reader.rawValue())
            default: try reader.skipValue()
            }
        }
        guard isTool else {
            // Its members have the names that a delta's have.
            try readDelta(&delta, index, into: sink)
            return
        }
        try readBlock(&start, index, into: sink)
        if !arguments.isEmpty { toolBlock?.hasArguments = true }
        sink.toolCallArguments(index: index, escaped: arguments.bytes)
        endBlock(index, into: sink)
    }
}

extension JSONReader {
    /// The place of the value that begins here, to be read later; passes over it.
    mutating func bookmark() throws(JSONError) -> JSONReader? {
        if try readNull() { return nil }
        let place = self
        try skipValue()
        return place
    }
}
