import Testing
import ToldSession

@testable import Sessions

/// The parts of a session, put together without one.
final class Parts {
    let host = FakeHost()
    let log: ToldLog
    let memory = MemoryTally()
    let audience: Audience
    let writer: LogWriter
    let conversation: Conversation
    let queue: ResponseQueue
    let delegate = RecordingDelegate()

    init(limits: SessionLimits = SessionLimits(), forkedFrom: String? = nil) {
        log = ToldLog()
        memory.changed(by: log.byteCount)
        audience = Audience(of: log, owner: "me", host: host, limits: limits, memory: memory)
        writer = LogWriter(log, audience: audience, memory: memory)
        conversation = Conversation(maxByteCount: limits.maxConversationBytes, log: log, memory: memory)
        let context = GenerationContext(sessionID: "sess_1", owner: "me", limits: limits, writer: writer, host: host)
        queue = ResponseQueue(context, conversation: conversation, memory: memory, forkedFrom: forkedFrom)
        audience.delegate = delegate
    }

    func input(_ text: String, policy: DisconnectPolicy = .continuing) -> Input {
        Input(items: [.userMessage(text)], parameters: ResponseParameters(model: "m"), policy: policy)
    }

    @discardableResult
    func take(
        _ text: String, _ mode: InterjectionMode = .interrupt, policy: DisconnectPolicy = .continuing
    ) throws -> Generation {
        try queue.take(input(text, policy: policy), mode: mode).generation
    }

    /// Appends an event that says nothing.
    func append() { writer.append(.sessionCreated) { $0.append(counted: "{}") } }

    func kinds(of generation: Generation) -> [EventKind] {
        log.events.filter { $0.response === generation.header }.map(\.kind)
    }

    /// What was stored besides events, in a word each.
    var stored: [String] {
        log.changes.map { change in
            switch change {
            case .created: "created"
            case .remembered(let items, let position): "remembered \(items.count) at \(position)"
            case .itemsInserted(let items, let position): "inserted \(items.count) at \(position)"
            case .itemReplaced(let item, let position): "replaced \(item.id) at \(position)"
            case .itemDeleted(let position): "deleted \(position)"
            case .metadata: "metadata"
            case .response(let record): "\(record.ordinal) \(record.status.name)"
            case .responseDeleted(let id): "forgot \(id)"
            }
        }
    }
}

/// What an audience would tell its session.
final class RecordingDelegate: AudienceDelegate {
    private(set) var told: [String] = []
    /// nil: there is none to tell.
    var state: SessionState?

    func snapshot() -> SessionState? { state }
    func listenerAttached() { told.append("attached") }
    func listenerFollows() { told.append("follows") }
    func lastListenerLeft() { told.append("left") }
    func holdUpstream(_ isHeld: Bool) { told.append(isHeld ? "hold" : "release") }
}
