import Foundation

/// The data directory and its default.
enum DataDirectory {
    /// The value for no directory.
    static let none = "none"

    /// - Returns: the directory; nil for ``none``.
    static func resolve(_ setting: String?, environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
        guard let setting else { return standard(environment) }
        return setting == none ? nil : setting
    }

    /// systemd's state directory, otherwise the user's data directory, otherwise the working directory.
    static func standard(_ environment: [String: String]) -> String {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let state = value("STATE_DIRECTORY")?.split(separator: ":").first { return String(state) }
        if let data = value("XDG_DATA_HOME") { return data + "/interject" }
        if let home = value("HOME") { return home + "/.local/share/interject" }
        return "interject-data"
    }
}
