/// An input of a participant to a session.
public struct Input: Sendable {
    /// Conversation items, at least one.
    public var items: [Item] { didSet { encoded = nil } }
    /// ``items`` as encoded for the log, if that was done off the loop; must be set after them.
    public var encoded: EncodedItems?
    /// Nil for the session's default.
    public var mode: InterjectionMode?
    /// The parameters of the response.
    public var parameters: ResponseParameters
    /// What happens to the response when its last listener disconnects.
    public var policy: DisconnectPolicy
    /// The participant that it is from; nil if unnamed.
    public var participant: Participant?
    /// The sender's identifier of the command, echoed in the acknowledgement.
    public var clientEventID: String?
    /// For `response.steer`: the identifiers of the steered response and of the steer.
    public var steer: Steer?
    /// The identifier of the response; nil for a new one.
    public var responseID: String?
    /// The response that it continues; nil for the session's last one.
    public var previousResponseID: String?
    /// The key that the response's usage is attributed to; opaque to the session.
    public var keyID: String?
    /// Whether to accept the input without generating a response (`generate: false`).
    public var isWarmUp = false

    /// A steer and the response that it steers.
    public struct Steer: Sendable, Equatable {
        /// The steer's identifier.
        public var id: String
        /// The identifier of the steered response.
        public var responseID: String

        /// A steer of a response.
        public init(id: String = Identifier.make("steer_"), responseID: String) {
            self.id = id
            self.responseID = responseID
        }
    }

    /// An input with these items.
    public init(items: [Item], mode: InterjectionMode? = nil, parameters: ResponseParameters, policy: DisconnectPolicy) {
        self.items = items
        self.mode = mode
        self.parameters = parameters
        self.policy = policy
    }
}

/// An accepted ``Input``, which is in the log.
public struct Acceptance {
    /// Session sequence number of `interject:input.accepted`.
    public let sequence: Int
    /// Nil if no response was running.
    public let mode: InterjectionMode?
    /// The response to it, waiting or already running.
    public let generation: Generation
    /// The response that it interrupted.
    public let interrupted: Interrupted?
}

/// A response that was interrupted, and its output so far.
public struct Interrupted: Sendable {
    /// The identifier of the response.
    public let responseID: String
    /// The identifier of its message with the text; nil if there is none.
    public let itemID: String?
    /// The text so far.
    public let outputText: String
    /// Number of deltas delivered, as an estimate of the tokens.
    public let outputTokens: Int
    /// The same as recorded in the log.
    var cut: CutResponse?
    var header: ResponseHeader?
}
