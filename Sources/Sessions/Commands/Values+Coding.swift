import Bytes
import JSON

// The parts of commands and outcomes that sessions know anyway.

extension Item: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        status.encode(into: &buffer)
        body.encode(into: &buffer)
        chatMessage.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            id: try String(from: &reader), status: try Status(from: &reader), body: try JSONObject(from: &reader),
            chatMessage: try JSONValue?(from: &reader))
    }
}

extension ResponseParameters: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        model.encode(into: &buffer)
        instructions.encode(into: &buffer)
        members.encode(into: &buffer)
        chatMembers.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            model: try String(from: &reader), instructions: try String?(from: &reader), members: try JSONObject(from: &reader),
            chatMembers: try JSONObject?(from: &reader))
    }
}

extension DisconnectPolicy: CommandCoded {
    func encode(into buffer: inout ByteBuffer) { text.encode(into: &buffer) }
    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let policy = DisconnectPolicy(text: try String(from: &reader)) else { throw MalformedCommand() }
        self = policy
    }
}

extension Participant: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        name.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(id: try String(from: &reader), name: try String(from: &reader))
    }
}

extension Input.Steer: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        responseID.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(id: try String(from: &reader), responseID: try String(from: &reader))
    }
}

extension LogPosition: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        epoch.encode(into: &buffer)
        sequence.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(epoch: try Int(from: &reader), sequence: try Int(from: &reader))
        // -1 is before the first event of a response.
        guard epoch >= 0, sequence >= -1 else { throw MalformedCommand() }
    }
}

extension Step: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        kind.encode(into: &buffer)
        name.encode(into: &buffer)
        status.encode(into: &buffer)
        title.encode(into: &buffer)
        detail.encode(into: &buffer)
        parentID.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            id: try String(from: &reader), kind: try String(from: &reader), name: try String?(from: &reader),
            status: try Status(from: &reader), title: try String?(from: &reader), detail: try JSONValue?(from: &reader),
            parentID: try String?(from: &reader))
    }
}

extension Interrupted: CommandCoded, Equatable {
    /// By what a client is told; where the log tells it belongs to the log.
    public static func == (left: Interrupted, right: Interrupted) -> Bool {
        left.responseID == right.responseID && left.itemID == right.itemID && left.outputText == right.outputText
            && left.outputTokens == right.outputTokens
    }

    func encode(into buffer: inout ByteBuffer) {
        responseID.encode(into: &buffer)
        itemID.encode(into: &buffer)
        outputText.encode(into: &buffer)
        outputTokens.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            responseID: try String(from: &reader), itemID: try String?(from: &reader), outputText: try String(from: &reader),
            outputTokens: try Int(from: &reader))
    }
}

extension SessionRecord: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        owner.encode(into: &buffer)
        createdAt.encode(into: &buffer)
        defaults.encode(into: &buffer)
        mode.encode(into: &buffer)
        policy.encode(into: &buffer)
        metadata.encode(into: &buffer)
        forkedFrom.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self.init(
            id: try String(from: &reader), owner: try String(from: &reader), createdAt: try Int(from: &reader),
            defaults: try ResponseParameters(from: &reader), mode: try InterjectionMode(from: &reader),
            policy: try DisconnectPolicy(from: &reader), metadata: try JSONValue(from: &reader),
            forkedFrom: try String?(from: &reader))
    }
}

extension SessionState: CommandCoded, Equatable {
    public static func == (left: SessionState, right: SessionState) -> Bool {
        left.encodedWithVersion() == right.encodedWithVersion()
    }

    func encode(into buffer: inout ByteBuffer) {
        record.encode(into: &buffer)
        lastPosition.encode(into: &buffer)
        oldestSequence.encode(into: &buffer)
        items.encode(into: &buffer)
        queued.map { QueuedInput(id: $0.id, items: $0.input) }.encode(into: &buffer)
        participants.encode(into: &buffer)
        openItems.map(OpaqueBytes.init).encode(into: &buffer)
        activeResponse.map(OpaqueBytes.init).encode(into: &buffer)
        isLarge.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        record = try SessionRecord(from: &reader)
        lastPosition = try LogPosition(from: &reader)
        oldestSequence = try Int(from: &reader)
        items = try [Item](from: &reader)
        queued = try [QueuedInput](from: &reader).map { ($0.id, $0.items) }
        participants = try [Participant](from: &reader)
        openItems = try [OpaqueBytes](from: &reader).map(\.array)
        activeResponse = try OpaqueBytes?(from: &reader)?.array
        isLarge = try Bool(from: &reader)
    }
}

/// An input that waits for the response before it.
private struct QueuedInput: CommandCoded {
    let id: String
    let items: [Item]

    init(id: String, items: [Item]) {
        self.id = id
        self.items = items
    }

    func encode(into buffer: inout ByteBuffer) {
        id.encode(into: &buffer)
        items.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        id = try String(from: &reader)
        items = try [Item](from: &reader)
    }
}
