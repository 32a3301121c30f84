import FoundationEssentials
import JWTKit

/// Public keys of an issuer (RFC 7517 §5), by what a token's head must say for each to be tried.
///
/// JWTKit tries its default key for a name that it does not know, and any key by any algorithm that the token likes. Therefore each
/// of its collections here holds nothing but the keys that may verify one kind of token: whichever of them it takes, it is one of these.
struct JSONWebKeySet: Sendable {
    /// Keys of a set that are looked at.
    static let maxKeys = 256

    /// Keys that may have signed the same token: more than one only without names, or where two have the same.
    struct Candidates: Sendable {
        private let collection: JWTKeyCollection
        fileprivate(set) var count = 0

        fileprivate init(_ collection: JWTKeyCollection) { self.collection = collection }

        /// The one secret of HS256: no key of a set is ever beside it.
        init(secret: String, for settings: JWTSettings) async {
            collection = JWTKeyCollection()
            await collection.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256, parser: settings.parser(.hs256))
            count = 1
        }

        /// - Returns: whether JWTKit takes it.
        fileprivate mutating func add(_ key: JWK) async -> Bool {
            guard (try? await collection.add(jwk: key)) != nil else { return false }
            count += 1
            return true
        }

        /// - Returns: nil if none of the keys made the signature, or the claims are not for here and now.
        func verify(_ token: [UInt8]) async -> JWTClaims? {
            try? await collection.verify(token, as: JWTClaims.self, iteratingKeys: count > 1)
        }
    }

    private struct Selector: Hashable {
        let algorithm: JWSAlgorithm
        /// nil: for tokens that name no key.
        let keyID: String?
    }

    private var candidates: [Selector: Candidates] = [:]
    private var keyIDs: Set<String> = []

    /// The set of an issuer that has none.
    init() {}

    /// - Returns: nil when the text is no JWK set. Keys that are not for signatures, too weak, broken, or of a kind that is not
    ///   known here, are passed over (RFC 7517 §5).
    /// - Parameter settings: what the tokens must say.
    init?(_ text: [UInt8], for settings: JWTSettings) async {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(text)) else { return nil }
        for key in document.keys.prefix(Self.maxKeys).compactMap(\.key) {
            for algorithm in JWSAlgorithm.allCases {
                guard let usable = algorithm.key(of: key) else { continue }
                await add(usable, algorithm, nil, settings)
                if let name = key.keyIdentifier?.string { await add(usable, algorithm, name, settings) }
            }
        }
    }

    private mutating func add(_ key: JWK, _ algorithm: JWSAlgorithm, _ keyID: String?, _ settings: JWTSettings) async {
        let selector = Selector(algorithm: algorithm, keyID: keyID)
        var known = candidates[selector] ?? Candidates(JWTKeyCollection(defaultJWTParser: settings.parser(algorithm)))
        // The name is the selector's affair: JWTKit would take only the last of two that have the same.
        var key = key
        key.keyIdentifier = JWKIdentifier(string: "\(known.count)")
        // A key that JWTKit refuses, such as an RSA key of less than 2,048 bits, or a point that is not on its curve.
        guard await known.add(key) else { return }
        candidates[selector] = known
        if let keyID { keyIDs.insert(keyID) }
    }

    var isEmpty: Bool { candidates.isEmpty }

    /// The keys that may have signed a token; nil: none.
    func candidates(for algorithm: JWSAlgorithm, keyID: String?) -> Candidates? {
        candidates[Selector(algorithm: algorithm, keyID: keyID)]
    }

    /// Whether some key has the name.
    func names(_ keyID: String) -> Bool { keyIDs.contains(keyID) }

    private struct Document: Decodable { let keys: [Entry] }

    /// One key, read by itself: JWTKit's own `JWKS` gives up a whole set for a key of a new kind, and knows no `use`.
    private struct Entry: Decodable {
        let key: JWK?

        private enum Member: String, CodingKey {
            case use
            case keyOperations = "key_ops"
        }

        init(from decoder: any Decoder) throws {
            key = Self.isForSignatures(decoder) ? try? JWK(from: decoder) : nil
        }

        private static func isForSignatures(_ decoder: any Decoder) -> Bool {
            guard let members = try? decoder.container(keyedBy: Member.self) else { return false }
            if members.contains(.use), (try? members.decode(String.self, forKey: .use)) != "sig" { return false }
            guard members.contains(.keyOperations) else { return true }
            return (try? members.decode([String].self, forKey: .keyOperations))?.contains("verify") ?? false
        }
    }
}
