import Bytes
import JSON
import Sessions

/// Reads the tool calls of a chat answer: `{index, id?, type?, function: {name?, arguments?}}`, in pieces.
struct ChatToolCalls: ~Copyable {
    private var assembler = ToolCallAssembler()
    private var scratch = ByteBuffer()

    init() {}

    /// See ``ToolCallAssembler/hasLeftOut``.
    var hasLeftOut: Bool { assembler.hasLeftOut }

    /// Reads `tool_calls`: the list, or a single call instead of one.
    mutating func read<Sink: ModelSink>(
        _ reader: inout JSONReader, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        guard try reader.peek() == .array else {
            try readCall(&reader, position: 0, &text, into: sink)
            return
        }
        try reader.enterArray()
        var position = 0
        while try reader.nextElement() {
            try readCall(&reader, position: position, &text, into: sink)
            position += 1
        }
    }

    /// Reads the calls of a whole `message`, which repeats those received in deltas.
    mutating func readWhole<Sink: ModelSink>(
        _ reader: inout JSONReader, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        let known = assembler.count
        if known == 0 { return try read(&reader, &text, into: sink) }
        guard try reader.enteredArray() else { return }
        var position = 0
        while try reader.nextElement() {
            if position < known { try reader.skipValue() } else { try readCall(&reader, position: position, &text, into: sink) }
            position += 1
        }
    }

    /// Reads `function_call`, at most one in an answer.
    mutating func readFunctionCall<Sink: ModelSink>(
        _ reader: inout JSONReader, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        var piece = ToolCallAssembler.Piece(index: 0)
        scratch.clear()
        try readFunction(&reader, &piece)
        assembler.take(piece, &text, into: sink)
    }

    /// See ``ToolCallAssembler/conclude(_:into:)``.
    mutating func conclude<Sink: ModelSink>(_ text: inout AnswerText, into sink: Sink) throws(UpstreamFault) {
        try assembler.conclude(&text, into: sink)
    }

    private mutating func readCall<Sink: ModelSink>(
        _ reader: inout JSONReader, position: Int, _ text: inout AnswerText, into sink: Sink
    ) throws(JSONError) {
        var piece = ToolCallAssembler.Piece(position: position)
        scratch.clear()
        guard try reader.enteredObject() else { return }
        while let key = try reader.nextKey() {
            switch key {
            case "index": piece.index = try reader.readIndex()
            case "id": piece.id = try reader.readScalar()
            case "function": try readFunction(&reader, &piece)
            case "custom":
                piece.isCustom = true
                try readFunction(&reader, &piece)
            case "extra_content":
                let value = try reader.readValue()
                if !value.isNull {
                    piece.provider = ProviderData(dialect: ProviderData.openAI, members: ["extra_content": value])
                }
            // Some servers omit the `function` envelope.
            case "name": piece.name = try reader.readScalar() ?? piece.name
            case "arguments": try readArguments(&reader, &piece)
            default: try reader.skipValue()
            }
        }
        assembler.take(piece, &text, into: sink)
    }

    private mutating func readFunction(
        _ reader: inout JSONReader, _ piece: inout ToolCallAssembler.Piece
    ) throws(JSONError) {
        guard try reader.peek() == .object else {
            piece.name = try reader.readText() ?? piece.name
            return
        }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "name": piece.name = try reader.readScalar() ?? piece.name
            case "arguments", "input": try readArguments(&reader, &piece)
            default: try reader.skipValue()
            }
        }
    }

    /// The specification asks for a string that contains JSON; some servers send the JSON value itself.
    private mutating func readArguments(
        _ reader: inout JSONReader, _ piece: inout ToolCallAssembler.Piece
    ) throws(JSONError) {
        switch try reader.peek() {
        case .string: piece.arguments = try reader.readString().bytes
        case .object, .array:
            scratch.clear()
            scratch.appendJSONStringContents(utf8: try reader.rawValue())
            piece.arguments = scratch.bytes
        case .number, .bool, .null: try reader.skipValue()
        }
    }
}
