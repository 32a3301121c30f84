import Sessions

/// Follows the log of a session: what to show, and what is in progress. No I/O.
struct Transcript {
    /// Something to show, in order.
    enum Part: Equatable {
        /// A piece of the model's answer.
        case text(String)
        /// The answer has ended; what follows starts on a new line.
        case endOfAnswer
        /// A participant's message, including the user's own.
        case input(name: String?, text: String)
        /// A note about an event.
        case note(String)
        case failure(String)
    }

    /// Position in the log up to which everything was shown.
    private(set) var lastPosition = LogPosition.start
    /// Running and queued responses.
    private(set) var pendingResponseIDs: Set<String> = []
    /// The response that is streaming.
    private(set) var activeResponseID: String?
    /// Its tokens so far: nearly every upstream sends one per delta.
    private(set) var activeTokens = 0
    /// The user's messages that are not in the log yet, by identifier.
    private(set) var unacknowledged: [String: String] = [:]
    private(set) var lastEnding: SessionEvent.Ending?
    /// The response begun last. No other response is running.
    private var begunResponseID: String?
    private var isWithinText = false
    /// The user's name, to leave out the notes about them.
    private let ownName: String?

    init(ownName: String? = nil) { self.ownName = ownName }

    /// Whether nothing is in progress and none of the user's messages is unacknowledged.
    var isIdle: Bool { pendingResponseIDs.isEmpty && unacknowledged.isEmpty }
    var isAnswering: Bool { !pendingResponseIDs.isEmpty }

    /// Records that a command was sent.
    mutating func sent(clientEventID: String, text: String) { unacknowledged[clientEventID] = text }

    /// Processes an event of the log, or one for this connection only.
    /// - Returns: what to show.
    mutating func receive(_ event: SessionEvent, position: LogPosition?) -> [Part] {
        if case .snapshot(let position, _, _) = event {
            // Authoritative, even if it is behind the events shown so far.
            lastPosition = position
        } else if let position {
            // A replay after a reconnection may overlap; no event is shown twice.
            guard position > lastPosition else { return [] }
            lastPosition = position
        }
        switch event {
        case .joined, .other: return []
        case .snapshot(_, let active, let queued):
            pendingResponseIDs = Set(queued + [active].compactMap(\.self))
            activeResponseID = active
            begunResponseID = active
            return closeText() + [.note("[some events are no longer in the log and are not shown]")]
        case .responseCreated(let id):
            pendingResponseIDs.insert(id)
            activeResponseID = id
            begunResponseID = id
            activeTokens = 0
            return closeText()
        case .delta(let text):
            // number-safe: one for each event that came
            activeTokens += 1
            if !text.isEmpty { isWithinText = true }
            return [.text(text)]
        case .responseEnded(let ending):
            return end(ending)
        case .accepted(let acceptance): return accept(acceptance)
        case .cancelled(let id, let reason):
            let why = reason == "cancel" ? "" : " (\(reason))"
            if let begunResponseID, id != begunResponseID {
                return closeText() + [.note("[a queued message was cancelled\(why)]")]
            }
            return closeText() + [.note("[cancelled after \(Self.tokens(activeTokens))\(why)]")]
        case .participantJoined(let name) where name == ownName, .participantLeft(let name) where name == ownName: return []
        case .step(let title): return closeText() + [.note("[\(title)]")]
        case .participantJoined(let name): return [.note("[\(name) joined]")]
        case .participantLeft(let name): return [.note("[\(name) left]")]
        case .failure(let message, _, let clientEventID):
            if let clientEventID { unacknowledged[clientEventID] = nil }
            return [.failure(message)]
        }
    }

    private mutating func end(_ ending: SessionEvent.Ending) -> [Part] {
        pendingResponseIDs.remove(ending.responseID)
        if let activeResponseID, activeResponseID != ending.responseID { return [] }
        if activeResponseID == ending.responseID { activeResponseID = nil }
        lastEnding = ending
        var parts = closeText()
        switch ending.reason {
        // The acknowledgement of the causing message follows, with more detail.
        case nil, "interrupted", "steered": break
        case .some(let reason): parts.append(.note("[stopped: \(reason)]"))
        }
        return parts
    }

    private mutating func accept(_ acceptance: SessionEvent.Acceptance) -> [Part] {
        if let id = acceptance.clientEventID { unacknowledged[id] = nil }
        if let id = acceptance.responseID { pendingResponseIDs.insert(id) }
        var parts: [Part] = []
        if let cut = acceptance.cut {
            let tokens = Self.tokens(cut.tokens)
            switch acceptance.mode {
            case "rollback": parts.append(.note("[cut: \(tokens) dropped]"))
            case _ where cut.text.isEmpty: parts.append(.note("[cut before the first token: nothing is remembered]"))
            default: parts.append(.note("[cut: kept \(tokens) \"\(Self.lastWords(of: cut.text))\"]"))
            }
        }
        parts.append(.input(name: acceptance.participant, text: acceptance.text))
        if acceptance.mode == "queue" { parts.append(.note("[queued: it will be answered next]")) }
        return parts
    }

    private mutating func closeText() -> [Part] {
        guard isWithinText else { return [] }
        isWithinText = false
        return [.endOfAnswer]
    }

    static func tokens(_ count: Int) -> String { count == 1 ? "1 token" : "\(count) tokens" }

    /// The last words of a text, on one line.
    static func lastWords(of text: String, maxCharacters: Int = 40) -> String {
        let words = text.split(whereSeparator: \.isWhitespace)
        var shown = ""
        for word in words.reversed() {
            if !shown.isEmpty, shown.count + word.count + 1 > maxCharacters { return "…" + shown }
            shown = shown.isEmpty ? String(word.suffix(maxCharacters)) : "\(word) \(shown)"
        }
        return shown
    }
}
