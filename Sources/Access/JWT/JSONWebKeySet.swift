import JSON

/// Public keys of an issuer (RFC 7517 §5), by what a token's head must say for each to be tried.
struct JSONWebKeySet: Sendable {
    /// Keys of a set that are looked at.
    static let maxKeys = 256

    private struct Selector: Hashable {
        let algorithm: JWSAlgorithm
        /// nil: for tokens that name no key.
        let keyID: String?
    }

    /// Several may have signed the same token: of those without names, or where two have the same.
    private var keys: [Selector: [JWSKey]] = [:]
    private var keyIDs: Set<String> = []

    /// The set of an issuer that has none.
    init() {}

    /// - Returns: nil when the text is no JWK set. Keys that are not for signatures, too weak, broken, or of a kind that is not
    ///   known here, are passed over (RFC 7517 §5).
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

    /// The keys that may have signed a token; nil: none.
    func keys(for algorithm: JWSAlgorithm, keyID: String?) -> [JWSKey]? {
        keys[Selector(algorithm: algorithm, keyID: keyID)]
    }

    /// Whether some key has the name.
    func names(_ keyID: String) -> Bool { keyIDs.contains(keyID) }
}
