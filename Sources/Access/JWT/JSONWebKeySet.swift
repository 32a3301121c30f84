import JSON

/// Public keys of an issuer (RFC 7517 §5), by the header members that select them for a token.
struct JSONWebKeySet: Sendable {
    /// Maximum number of keys of a set that are read.
    static let maxKeys = 256

    private struct Selector: Hashable {
        let algorithm: JWSAlgorithm
        /// Nil for tokens without a key identifier.
        let keyID: String?
    }

    /// Several keys match if they have no identifier or share one.
    private var keys: [Selector: [JWSKey]] = [:]
    private var keyIDs: Set<String> = []

    /// The empty set, of an issuer without a key set.
    init() {}

    /// - Returns: nil if the text is not a JWK set. Keys that are not for signatures, too weak, malformed, or of an unknown kind
    ///   are skipped (RFC 7517 §5).
    init?(_ text: [UInt8]) {
        guard let list = (try? text.withUnsafeBytes { try JSONValue.parse($0, limits: .received) })?["keys"]?.array else {
            return nil
        }
        for key in list.prefix(Self.maxKeys).compactMap(\.object) where Self.isForSignatures(key) {
            let keyID = key["kid"]
            if let keyID, keyID.string == nil { continue }
            for algorithm in JWSAlgorithm.allCases {
                guard let usable = JWSKey(key, for: algorithm) else { continue }
                keys[Selector(algorithm: algorithm, keyID: nil), default: []].append(usable)
                guard let name = keyID?.string else { continue }
                keys[Selector(algorithm: algorithm, keyID: name), default: []].append(usable)
                keyIDs.insert(name)
            }
        }
    }

    private static func isForSignatures(_ key: JSONObject) -> Bool {
        if let use = key["use"], use.string != "sig" { return false }
        guard let operations = key["key_ops"] else { return true }
        return operations.array?.contains { $0.string == "verify" } ?? false
    }

    var isEmpty: Bool { keys.isEmpty }

    /// The keys that may have signed a token; nil if there are none.
    func keys(for algorithm: JWSAlgorithm, keyID: String?) -> [JWSKey]? {
        keys[Selector(algorithm: algorithm, keyID: keyID)]
    }

    /// Whether a key has this identifier.
    func names(_ keyID: String) -> Bool { keyIDs.contains(keyID) }
}
