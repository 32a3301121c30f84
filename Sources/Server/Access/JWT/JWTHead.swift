import FoundationEssentials
import JWTKit

/// What a token's head says about its signature (RFC 7515 §4.1): enough to choose the keys that JWTKit is given for it.
///
/// JWTKit splits the token, and a `JSONDecoder` reads the head, as JWTKit does by the same means from the same bytes. JWTKit's own
/// `JWTHeader` is not for heads of strangers: version 5.7.1 traps on a number beyond `Int`.
struct JWTHead: Decodable {
    /// nil: none that is taken here.
    let algorithm: JWSAlgorithm?
    let keyID: String?
    /// Whether it demands that extensions are understood: none are here (§4.1.11).
    let isCritical: Bool

    private enum Member: String, CodingKey {
        case algorithm = "alg"
        case keyID = "kid"
        case critical = "crit"
    }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: Member.self)
        algorithm = JWSAlgorithm(rawValue: try members.decode(String.self, forKey: .algorithm))
        keyID = try members.decodeIfPresent(String.self, forKey: .keyID)
        isCritical = members.contains(.critical)
    }

    /// - Returns: nil for what is no token. Base64 must be as RFC 7515 §2 has it, which is less than JWTKit takes.
    static func read(_ token: [UInt8]) -> JWTHead? {
        guard let parts = try? DefaultJWTParser().getTokenParts(token),
            let head = Base64URL.decode(String(decoding: parts.header, as: UTF8.self)),
            Base64URL.decode(String(decoding: parts.payload, as: UTF8.self)) != nil,
            Base64URL.decode(String(decoding: parts.signature, as: UTF8.self))?.isEmpty == false
        else { return nil }
        return try? JSONDecoder().decode(JWTHead.self, from: Data(head))
    }
}
