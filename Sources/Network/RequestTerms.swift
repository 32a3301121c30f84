/// A handler's decision on a request's head, before any of the body is read.
public struct RequestTerms: Sendable {
    /// Most bytes of the body.
    public var maxBodyBytes: Int
    /// Whether to call ``HTTPRequestHandler/handle(_:)`` at the end of the head, and pass the body in pieces to
    /// ``HTTPExchange/onBody``. No effect without a body.
    public var streamsBody: Bool
    /// The handler's result of authentication, passed on as ``HTTPExchange/credential``.
    public var credential: (any Sendable)?

    public init(maxBodyBytes: Int, streamsBody: Bool = false, credential: (any Sendable)? = nil) {
        self.maxBodyBytes = maxBodyBytes
        self.streamsBody = streamsBody
        self.credential = credential
    }
}
