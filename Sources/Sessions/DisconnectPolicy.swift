/// What becomes of a generation when the last one who listens to it is gone.
public enum DisconnectPolicy: Sendable, Hashable {
    /// Nobody listens: stop paying.
    case cancel
    /// Cancel, unless somebody listens again within this time.
    case grace(Duration)
    /// Go on.
    case continuing

    /// The longest grace that can be asked for.
    public static let maxGraceSeconds = 86_400

    /// Reads `cancel`, `continue` or `grace=SECONDS` (the header `Interject-On-Disconnect`, the member `disconnect`).
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

    /// The form that ``init(text:)`` reads.
    public var text: String {
        switch self {
        case .cancel: "cancel"
        case .continuing: "continue"
        case .grace(let duration): "grace=\(duration.components.seconds)"
        }
    }
}
