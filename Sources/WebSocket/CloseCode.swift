/// A close code, RFC 6455 §7.4 and the IANA registry of WebSocket close codes.
public struct CloseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The purpose of the connection is fulfilled.
    public static let normal = CloseCode(rawValue: 1000)
    /// The server is shutting down, or the page was left.
    public static let goingAway = CloseCode(rawValue: 1001)
    public static let protocolError = CloseCode(rawValue: 1002)
    /// A kind of message that this endpoint does not accept, for example binary where text is expected.
    public static let unsupportedData = CloseCode(rawValue: 1003)
    /// Never on the wire: the peer's close frame had no code.
    public static let noStatusReceived = CloseCode(rawValue: 1005)
    /// Never on the wire: the connection ended without a close frame.
    public static let abnormal = CloseCode(rawValue: 1006)
    /// The data does not match the kind of message: text that is not UTF-8.
    public static let invalidPayload = CloseCode(rawValue: 1007)
    public static let policyViolation = CloseCode(rawValue: 1008)
    public static let messageTooBig = CloseCode(rawValue: 1009)
    public static let mandatoryExtension = CloseCode(rawValue: 1010)
    public static let internalError = CloseCode(rawValue: 1011)
    /// The service restarts: reconnect after a random delay.
    public static let serviceRestart = CloseCode(rawValue: 1012)
    /// The service is overloaded: reconnect later.
    public static let tryAgainLater = CloseCode(rawValue: 1013)
    public static let badGateway = CloseCode(rawValue: 1014)

    /// Whether a close frame may carry the code: registered for the wire, or in the ranges for libraries (3000-3999) and
    /// applications (4000-4999), RFC 6455 §7.4.2.
    public var isAllowedOnWire: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    public var description: String { "\(rawValue)" }
}
