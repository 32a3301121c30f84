import Storage

extension ServeSettings {
    /// Whether the data directory holds keys already: then nobody gets in without one, whatever the flags say. Reads the database.
    var hasStoredKeys: Bool {
        guard let directory = DataDirectory.resolve(dataDirectory) else { return false }
        // What is wrong with the directory is told by whoever opens it.
        return (try? APIKeyFile.hasKeys(directory: directory)) ?? false
    }
}
