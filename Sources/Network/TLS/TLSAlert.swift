import COpenSSL

/// Alerts that are sent here, and those that do not signal an error (RFC 8446 §6).
package enum TLSAlert: UInt8, Error {
    case closeNotify = 0
    case unexpectedMessage = 10
    case badRecordMAC = 20
    case recordOverflow = 22
    case illegalParameter = 47
    case decodeError = 50
    case internalError = 80
    case userCanceled = 90

    /// The name, as in OpenSSL's own errors.
    static func name(_ code: UInt8) -> String {
        SSL_alert_desc_string_long(Int32(code)).map { String(cString: $0) } ?? "alert \(code)"
    }
}
