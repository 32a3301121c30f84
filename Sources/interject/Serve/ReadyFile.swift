import Glibc
import JSON

/// The file that tells a parent process where the server listens.
struct ReadyFile {
    var url: String
    var tlsURL: String?
    var rehearsalURL: String?
    var unixSocket: String?

    /// The base URL without a trailing `/v1`; the counters are there.
    static func root(of baseURL: String) -> String { baseURL.hasSuffix("/v1") ? String(baseURL.dropLast(3)) : baseURL }

    /// Writes the file atomically.
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
