import Foundation

/// Where data is kept when nobody says where.
enum DataDirectory {
    /// The word for: nowhere.
    static let none = "none"

    /// - Returns: the directory; nil for none.
    static func resolve(_ setting: String?, environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
        guard let setting else { return standard(environment) }
        return setting == none ? nil : setting
    }

    /// What systemd gives to a service, else the place for a user's data, else the folder that we are in.
    static func standard(_ environment: [String: String]) -> String {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let state = value("STATE_DIRECTORY")?.split(separator: ":").first { return String(state) }
        if let data = value("XDG_DATA_HOME") { return data + "/interject" }
        if let home = value("HOME") { return home + "/.local/share/interject" }
        return "interject-data"
    }
}
