import Glibc
import JSON

/// What a program that started us reads to know where we listen.
struct ReadyFile {
    var url: String
    var tlsURL: String?
    var rehearsalURL: String?
    var unixSocket: String?

    /// A base URL without the `/v1` at its end: where the counters are.
    static func root(of baseURL: String) -> String { baseURL.hasSuffix("/v1") ? String(baseURL.dropLast(3)) : baseURL }

    /// Writes it whole or not at all.
    func write(to path: String) throws(Failure) {
        let object: JSONValue = [
            "url": JSONValue(url), "tls_url": tlsURL.map { JSONValue($0) } ?? .null,
            "rehearsal_url": rehearsalURL.map { JSONValue($0) } ?? .null,
            "pid": JSONValue(getpid()), "unix_socket": unixSocket.map { JSONValue($0) } ?? .null,
        ]
        do {
            try Files.writeAtomically("\(object)\n", to: path)
        } catch {
            throw .runtime("--ready-file: \(path): \(error)")
        }
    }
}
