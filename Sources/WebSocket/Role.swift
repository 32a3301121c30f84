/// Which end of the connection this is. It decides who masks (RFC 6455 §5.1) and who closes TCP first (§7.1.1).
public enum Role: Sendable {
    case server, client
}
