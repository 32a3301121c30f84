import COpenSSL

/// Alerts that we send about a peer's records, and those that do not end a connection by force (RFC 8446 §6).
package enum TLSAlert: UInt8, Error {
    case closeNotify = 0
    case unexpectedMessage = 10
    case badRecordMAC = 20
    case recordOverflow = 22
    case illegalParameter = 47
    case decodeError = 50
    case internalError = 80
    case userCanceled = 90

    /// The name in OpenSSL's words, as its own failures have them.
    static func name(_ code: UInt8) -> String {
        SSL_alert_desc_string_long(Int32(code)).map { String(cString: $0) } ?? "alert \(code)"
    }
}
