/// A setting: the flag `--name`, the variable `INTERJECT_NAME`, and the key `name` of the file.
struct Setting: Sendable {
    /// In lower case, with hyphens.
    let name: String
    /// The placeholder for the value in help texts; nil for a switch.
    let valueName: String?
    /// Whether it takes several values: a repeated flag, a variable with commas, a list in the file.
    let isList: Bool
    /// One or two sentences for operators, without the default.
    let text: String
    /// The default as it would be written; nil without one.
    let defaultText: String?
    /// Whether the empty string is a valid value. Otherwise an empty variable counts as unset.
    private(set) var takesEmpty = false
    private let store: @Sendable (inout ServeSettings, [String]) throws(InvalidValue) -> Void

    var variable: String { "INTERJECT_" + name.uppercased().split(separator: "-").joined(separator: "_") }

    /// Applies values in the order given. The last one wins, unless the setting is a list.
    func apply(_ texts: [String], to settings: inout ServeSettings) throws(InvalidValue) {
        try store(&settings, isList ? texts : texts.suffix(1))
    }

    /// The same setting, for which the empty string is a valid value.
    func takingEmpty() -> Setting {
        var setting = self
        setting.takesEmpty = true
        return setting
    }

    /// A setting with one value.
    init<Value: Sendable>(
        _ name: String, _ valueName: String?, _ path: any WritableKeyPath<ServeSettings, Value> & Sendable,
        _ read: @escaping @Sendable (String) throws(InvalidValue) -> Value, describe: (Value) -> String?, _ text: String
    ) {
        self.name = name
        self.valueName = valueName
        self.text = text
        isList = false
        defaultText = describe(ServeSettings()[keyPath: path])
        store = { (settings, texts) throws(InvalidValue) in
            for text in texts { settings[keyPath: path] = try read(text) }
        }
    }

    /// A setting with an optional value.
    init<Value: Sendable>(
        _ name: String, _ valueName: String, _ path: any WritableKeyPath<ServeSettings, Value?> & Sendable,
        _ read: @escaping @Sendable (String) throws(InvalidValue) -> Value, _ text: String
    ) {
        self.name = name
        self.valueName = valueName
        self.text = text
        isList = false
        defaultText = nil
        store = { (settings, texts) throws(InvalidValue) in
            for text in texts { settings[keyPath: path] = try read(text) }
        }
    }

    /// A setting with any number of values.
    init<Value: Sendable>(
        list name: String, _ valueName: String, _ path: any WritableKeyPath<ServeSettings, [Value]> & Sendable,
        _ read: @escaping @Sendable (String) throws(InvalidValue) -> Value, _ text: String
    ) {
        self.name = name
        self.valueName = valueName
        self.text = text
        isList = true
        defaultText = nil
        store = { (settings, texts) throws(InvalidValue) in
            var values: [Value] = []
            for text in texts { values.append(try read(text)) }
            settings[keyPath: path] = values
        }
    }
}
