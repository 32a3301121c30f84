/// What a participant says: a command to a session.
public struct Input: Sendable {
    /// Conversation items, at least one.
    public var items: [Item] { didSet { encoded = nil } }
    /// ``items`` as they are told in the log, where that was made off the loop: set after them.
    public var encoded: EncodedItems?
    /// nil: the session's default.
    public var mode: InterjectionMode?
    public var parameters: ResponseParameters
    public var policy: DisconnectPolicy
    public var participant: Participant?
    /// The sender's own name for the command, given back in the acknowledgement.
    public var clientEventID: String?
    /// Set for `response.steer`: the response that is steered, and the steer's identifier.
    public var steer: Steer?
    /// The identifier that the response is to have; made when nil.
    public var responseID: String?
    /// The response that the client says it goes on from; the session's last one when nil.
    public var previousResponseID: String?
    /// The key that the response's usage is counted for; opaque here.
    public var keyID: String?
    /// Take the input in, but generate nothing (`generate: false`).
    public var isWarmUp = false

    public struct Steer: Sendable, Equatable {
        public var id: String
        public var responseID: String

        public init(id: String = Identifier.make("steer_"), responseID: String) {
            self.id = id
            self.responseID = responseID
        }
    }

    public init(items: [Item], mode: InterjectionMode? = nil, parameters: ResponseParameters, policy: DisconnectPolicy) {
        self.items = items
        self.mode = mode
        self.parameters = parameters
        self.policy = policy
    }
}

/// What became of an ``Input``: it stands in the log.
public struct Acceptance {
    /// Session sequence number of `interject:input.accepted`.
    public let sequence: Int
    /// nil: nothing was running.
    public let mode: InterjectionMode?
    /// What will answer, or answers already.
    public let generation: Generation
    public let interrupted: Interrupted?
}

/// What was cut by an interjection, and what of it is kept.
public struct Interrupted: Sendable {
    public let responseID: String
    public let itemID: String?
    public let outputText: String
    public let outputTokens: Int
    /// The same as the log names it.
    var cut: CutResponse?
    var header: ResponseHeader?
}
