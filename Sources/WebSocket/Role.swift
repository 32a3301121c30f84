/// Which end of the connection this is. Determines which end masks (RFC 6455 §5.1), and which closes TCP first (§7.1.1).
public enum Role: Sendable {
    case server, client
}
