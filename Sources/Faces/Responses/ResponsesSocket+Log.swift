import API
import HTTP
import JSON
import Logging
import Network
import WebSocket

/// A socket's log lines, at `debug`: identifiers to follow a client by, and no content.
///
/// The access log's line for the upgrade has the identifiers of the request and the connection; these lines have the connection's.
extension ResponsesSocket {
    private static let commands: Set<String> = [
        "response.create", "response.steer", "interject:join", "interject:leave", "interject:input", "interject:cancel",
    ]
    private static let namingMembers = ["session_id", "response_id", "previous_response_id"]

    private var logsCommands: Bool { loop.logger.logLevel <= .debug }

    func logCommand(_ body: JSONObject?, refusal: APIError? = nil) {
        guard logsCommands else { return }
        var metadata = logMetadata
        let type = body?["type"]?.string
        metadata["command"] = "\(type.flatMap { Self.commands.contains($0) ? $0 : nil } ?? "unknown")"
        for member in Self.namingMembers {
            // A client may send any text as an identifier.
            if let id = body?[member]?.string, Self.isIdentifier(id) { metadata[member] = "\(id)" }
        }
        if let refusal {
            metadata["status"] = .stringConvertible(refusal.status.code)
            metadata["code"] = "\(refusal.code ?? "")"
        }
        loop.logger.debug(refusal == nil ? "command taken" : "command refused", metadata: metadata)
    }

    func logResponse(_ id: String, sessionID: String) {
        guard logsCommands else { return }
        loop.logger.debug(
            "response of a command",
            metadata: logMetadata.merging(["response_id": "\(id)", "session_id": "\(sessionID)"]) { $1 })
    }

    /// Whether a text looks like an identifier of this server: at most 32 bytes, `sess_` or `resp_` followed by letters, digits or
    /// `_`.
    private static func isIdentifier(_ text: String) -> Bool {
        guard text.utf8.count <= 32, text.hasPrefix("sess_") || text.hasPrefix("resp_") else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
