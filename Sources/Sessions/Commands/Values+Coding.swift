import Bytes
import JSON

// Encodings of the sessions' types that occur in commands and outcomes.

extension Item: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.id, \.status, \.body, \.chatMessage) { Self(id: $0, status: $1, body: $2, chatMessage: $3) }
    }
}

extension ResponseParameters: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.model, \.instructions, \.members, \.chatMembers) {
            Self(model: $0, instructions: $1, members: $2, chatMembers: $3)
        }
    }
}

extension DisconnectPolicy: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.text) { (text) throws(MalformedCommand) in
            guard let policy = DisconnectPolicy(text: text) else { throw MalformedCommand() }
            return policy
        }
    }
}

extension Participant: CommandRecord {
    static var layout: some CommandLayout<Self> { CommandParts(\.id, \.name) { Self(id: $0, name: $1) } }
}

extension Input.Steer: CommandRecord {
    static var layout: some CommandLayout<Self> { CommandParts(\.id, \.responseID) { Self(id: $0, responseID: $1) } }
}

extension LogPosition: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.epoch, \.sequence) { (epoch, sequence) throws(MalformedCommand) in
            // -1 is before a response's first event.
            guard epoch >= 0, sequence >= -1 else { throw MalformedCommand() }
            return Self(epoch: epoch, sequence: sequence)
        }
    }
}

extension Step: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.id, \.kind, \.name, \.status, \.title, \.detail, \.parentID) {
            Self(id: $0, kind: $1, name: $2, status: $3, title: $4, detail: $5, parentID: $6)
        }
    }
}

extension Interrupted: CommandRecord, Equatable {
    /// Compares what clients are told; references to the log belong to the log.
    public static func == (left: Interrupted, right: Interrupted) -> Bool {
        left.responseID == right.responseID && left.itemID == right.itemID && left.outputText == right.outputText
            && left.outputTokens == right.outputTokens
    }

    static var layout: some CommandLayout<Self> {
        CommandParts(\.responseID, \.itemID, \.outputText, \.outputTokens) {
            Self(responseID: $0, itemID: $1, outputText: $2, outputTokens: $3)
        }
    }
}

extension SessionRecord: CommandRecord {
    static var layout: some CommandLayout<Self> {
        CommandParts(\.id, \.owner, \.createdAt, \.defaults, \.mode, \.policy, \.metadata, \.forkedFrom) {
            Self(
                id: $0, owner: $1, createdAt: $2, defaults: $3, mode: $4, policy: $5, metadata: $6, forkedFrom: $7)
        }
    }
}

extension SessionState: CommandRecord, Equatable {
    public static func == (left: SessionState, right: SessionState) -> Bool {
        left.encodedWithVersion() == right.encodedWithVersion()
    }

    static var layout: some CommandLayout<Self> {
        CommandParts(
            \.record, \.lastPosition, \.oldestSequence, \.items, \.queuedInputs, \.participants, \.opaqueOpenItems,
            \.opaqueActiveResponse, \.isLarge
        ) { record, lastPosition, oldestSequence, items, queued, participants, openItems, activeResponse, isLarge in
            Self(
                record, lastPosition, oldestSequence: oldestSequence, items: items, queued: queued.map { ($0.id, $0.items) },
                participants: participants, openItems: openItems.map(\.array), activeResponse: activeResponse?.array,
                isLarge: isLarge)
        }
    }

    private var queuedInputs: [QueuedInput] { queued.map { QueuedInput(id: $0.id, items: $0.input) } }
    private var opaqueOpenItems: [OpaqueBytes] { openItems.map(OpaqueBytes.init) }
    private var opaqueActiveResponse: OpaqueBytes? { activeResponse.map(OpaqueBytes.init) }
}

/// An input that waits for a running response.
private struct QueuedInput: CommandRecord {
    let id: String
    let items: [Item]

    static var layout: some CommandLayout<Self> { CommandParts(\.id, \.items) { Self(id: $0, items: $1) } }
}
