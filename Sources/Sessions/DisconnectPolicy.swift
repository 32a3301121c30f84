/// What happens to a generation when its last listener disconnects.
public enum DisconnectPolicy: Sendable, Hashable {
    /// Cancel it at once, so that nothing more is paid for.
    case cancel
    /// Cancel it, unless a listener returns within this time.
    case grace(Duration)
    /// Continue it.
    case continuing

    /// The longest grace period that can be requested, in seconds.
    public static let maxGraceSeconds = 86_400

    /// Parses `cancel`, `continue` or `grace=SECONDS` (the header field `Interject-On-Disconnect`, the member `disconnect`).
    public init?(text: String) {
        switch text {
        case "cancel": self = .cancel
        case "continue": self = .continuing
        default:
            guard text.hasPrefix("grace="), let seconds = Int(text.dropFirst("grace=".count)),
                (0...Self.maxGraceSeconds).contains(seconds)
            else { return nil }
            self = .grace(.seconds(seconds))
        }
    }

    /// The policy as parsed by ``init(text:)``.
    public var text: String {
        switch self {
        case .cancel: "cancel"
        case .continuing: "continue"
        case .grace(let duration): "grace=\(duration.components.seconds)"
        }
    }
}
