import Access
import Server

extension ServeSettings {
    /// Shorter secrets can be guessed (RFC 7518 §3.2).
    private static let minSecretBytes = 32

    /// The accepted JSON Web Tokens; nil for none.
    func jwt() throws(Failure) -> JWTSettings? {
        guard jwtKeys != nil || jwtSecret != nil else {
            if jwtIssuer != nil || jwtAudience != nil {
                throw .usage("--jwt-issuer, --jwt-audience: the keys are missing: give --jwt-jwks FILE|URL")
            }
            return nil
        }
        guard let jwtIssuer, let jwtAudience else {
            throw .usage(
                "--jwt-jwks, --jwt-secret: give --jwt-issuer and --jwt-audience too, so that tokens for other services are refused")
        }
        if let jwtSecret, jwtSecret.utf8.count < Self.minSecretBytes {
            throw .usage("--jwt-secret: give at least \(Self.minSecretBytes) bytes")
        }
        var settings = JWTSettings(keySet: try jwtKeys.map(Self.keySet), issuer: jwtIssuer, audience: jwtAudience)
        settings.ownerClaim = jwtOwnerClaim
        settings.scopeClaim = jwtScopeClaim
        settings.secret = jwtSecret
        return settings
    }

    private static func keySet(_ text: String) throws(Failure) -> JWTSettings.KeySet {
        if text.hasPrefix("https://") { return .url(text) }
        guard text.hasPrefix("http://") else {
            do throws(FileError) { _ = try Files.read(text) } catch { throw .usage("--jwt-jwks: \(text): \(error)") }
            return .file(text)
        }
        let authority = text.dropFirst("http://".count).prefix { $0 != "/" }
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        guard host == "localhost" || host == "127.0.0.1" || host == "[::1]" else {
            throw .usage("--jwt-jwks: \(text): keys fetched over plain http can be forged: give an https URL")
        }
        return .url(text)
    }
}
