/// One thing that can be set: by the flag `--name`, the variable `INTERJECT_NAME`, or the key `name` of the file.
struct Setting: Sendable {
    /// Lower case with hyphens.
    let name: String
    /// What stands for the value in help texts; nil for a switch.
    let valueName: String?
    /// Takes several values: a repeated flag, a variable with commas, a list in the file.
    let isList: Bool
    /// One or two sentences for operators, without the default.
    let text: String
    /// As it would be written, nil when there is none.
    let defaultText: String?
    /// Whether nothing is a value of it: elsewhere an empty variable is one that is not set.
    private(set) var takesEmpty = false
    private let store: @Sendable (inout ServeSettings, [String]) throws(InvalidValue) -> Void

    var variable: String { "INTERJECT_" + name.uppercased().split(separator: "-").joined(separator: "_") }

    /// Sets it from texts, in the order given. A setting that is no list takes the last.
    func apply(_ texts: [String], to settings: inout ServeSettings) throws(InvalidValue) {
        try store(&settings, isList ? texts : texts.suffix(1))
    }

    /// The same, with nothing as one of its values.
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

    /// A setting with one value or none.
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
