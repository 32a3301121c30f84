/// Combines the sources of settings. Flags take precedence over the environment, the file, and the defaults, in this order.
struct SettingSources {
    /// By name of the setting.
    var flags: [String: [String]]
    var environment: Environment
    var readFile: (String) throws(FileError) -> String

    /// - Throws: a ``Failure`` with exit status 2 that names the flag, variable or file and key at fault.
    func resolve() throws(Failure) -> ServeSettings {
        var settings = ServeSettings()
        try apply(.config, to: &settings)
        let file = try settings.configFile.map { (path) throws(Failure) in try ConfigurationFile(path: path, readFile) }
        for setting in Setting.all where setting.name != Setting.config.name {
            if let entry = file?.entries[setting.name], flags[setting.name] == nil, fromEnvironment(setting) == nil {
                let source = SettingSource.file(path: file?.path ?? "", line: entry.line, key: setting.name)
                try apply(setting, entry.texts, source, to: &settings)
            }
            try apply(setting, to: &settings)
        }
        return settings
    }

    private func apply(_ setting: Setting, to settings: inout ServeSettings) throws(Failure) {
        if let texts = flags[setting.name] {
            try apply(setting, texts, .flag(setting.name), to: &settings)
        } else if let texts = fromEnvironment(setting) {
            try apply(setting, texts, .environment(setting.variable), to: &settings)
        }
    }

    private func fromEnvironment(_ setting: Setting) -> [String]? {
        // Many tools unset a variable by emptying it.
        guard let text = environment[setting.variable], setting.takesEmpty || !text.isEmpty else { return nil }
        return setting.isList ? text.split(separator: ",").map { String($0.drop { $0 == " " }) } : [text]
    }

    private func apply(
        _ setting: Setting, _ texts: [String], _ source: SettingSource, to settings: inout ServeSettings
    ) throws(Failure) {
        do {
            try setting.apply(texts, to: &settings)
        } catch {
            throw .usage("\(source): \(error.problem)")
        }
    }
}
