import Access
import Server
import Storage

extension ServeSettings {
    /// Whether the data directory already contains keys, in which case the server requires one whatever its flags. Reads the
    /// database.
    var hasStoredKeys: Bool {
        guard let directory = DataDirectory.resolve(dataDirectory) else { return false }
        // Errors are reported when the server opens the directory.
        return (try? APIKeyFile.hasKeys(directory: directory)) ?? false
    }

    /// Two names with the same secret. One name may have several secrets, during a rotation.
    var keyOfTwoNames: (String, String)? {
        var names: [String: String] = [:]
        for principal in principals {
            if let other = names[principal.key], other != principal.name { return (other, principal.name) }
            names[principal.key] = principal.name
        }
        return nil
    }
}
