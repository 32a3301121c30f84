import Bytes
import JSON

/// A signed token in compact form (RFC 7515 §7.1), parsed but not verified.
struct JSONWebToken {
    /// Nil for an algorithm that is not accepted.
    let algorithm: JWSAlgorithm?
    let keyID: String?
    /// Whether the token requires extensions to be understood; none are supported (§4.1.11).
    let isCritical: Bool
    let claims: JSONObject
    private let message: [UInt8]
    private let signature: [UInt8]

    /// - Returns: nil if the text is not a token. Base64 must be unpadded (RFC 7515 §2).
    init?(_ text: [UInt8]) {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Self.object(parts[0]), let algorithm = head["alg"]?.string,
            let claims = Self.object(parts[1]), let signature = Self.decode(parts[2]), !signature.isEmpty
        else { return nil }
        if let keyID = head["kid"]?.unlessNull, keyID.string == nil { return nil }
        self.algorithm = JWSAlgorithm(rawValue: algorithm)
        keyID = head["kid"]?.string
        isCritical = head["crit"] != nil
        self.claims = claims
        self.signature = signature
        message = Array(text[..<parts[1].endIndex])
    }

    private static func decode(_ part: ArraySlice<UInt8>) -> [UInt8]? { Base64URL.decode(String(decoding: part, as: UTF8.self)) }

    private static func object(_ part: ArraySlice<UInt8>) -> JSONObject? {
        guard let text = decode(part) else { return nil }
        return (try? text.withUnsafeBytes { try JSONValue.parse($0, limits: .received) })?.object
    }

    /// Whether one of the keys made the signature.
    func isSigned(byOneOf keys: [JWSKey]) -> Bool { keys.contains { $0.verifies(signature, of: message) } }
}
