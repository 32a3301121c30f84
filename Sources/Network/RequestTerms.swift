/// What a handler says to a request's head, before anything of the body is read.
public struct RequestTerms: Sendable {
    /// Bytes that the body may have.
    public var maxBodyBytes: Int
    /// Whether the request goes to ``HTTPRequestHandler/handle(_:)`` as soon as its head is here, and its body piece by piece to
    /// ``HTTPExchange/onBody``. Of no account for a request without a body.
    public var streamsBody: Bool
    /// What the handler found out about who asks, for itself: ``HTTPExchange/credential``.
    public var credential: (any Sendable)?

    public init(maxBodyBytes: Int, streamsBody: Bool = false, credential: (any Sendable)? = nil) {
        self.maxBodyBytes = maxBodyBytes
        self.streamsBody = streamsBody
        self.credential = credential
    }
}
