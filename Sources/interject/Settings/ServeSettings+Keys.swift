import Access
import Server
import Storage

extension ServeSettings {
    /// Whether the data directory holds keys already: then nobody gets in without one, whatever the flags say. Reads the database.
    var hasStoredKeys: Bool {
        guard let directory = DataDirectory.resolve(dataDirectory) else { return false }
        // Errors of the directory are reported when it is opened.
        return (try? APIKeyFile.hasKeys(directory: directory)) ?? false
    }

    /// Two names with one secret. One name may have several secrets, while they are being changed.
    var keyOfTwoNames: (String, String)? {
        var names: [String: String] = [:]
        for principal in principals {
            if let other = names[principal.key], other != principal.name { return (other, principal.name) }
            names[principal.key] = principal.name
        }
        return nil
    }
}
