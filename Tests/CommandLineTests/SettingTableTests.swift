import ArgumentParser
import Testing

@testable import interject

/// The table is the one place: flags and help cannot differ from it.
@Suite struct SettingTableTests {
    @Test func everySettingIsAFlagThatIsDocumented() {
        let help = Interject.helpMessage(for: ServeCommand.self, columns: 10_000)
        for setting in Setting.all {
            #expect(help.contains("--\(setting.name)"))
            #expect(help.contains(setting.variable))
            #expect(help.contains(setting.text))
        }
    }

    @Test func everyFlagReachesItsSetting() throws {
        for setting in Setting.all {
            let arguments = setting.valueName == nil ? ["--\(setting.name)"] : ["--\(setting.name)", "value"]
            let given = try SettingFlags.parse(arguments).given
            #expect(given == [setting.name: [setting.valueName == nil ? "true" : "value"]])
        }
    }

    @Test func namesAreUnique() {
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
    }

    /// What the help says is the default must be a value that is taken and changes nothing.
    @Test func defaultsReadBackAsThemselves() throws {
        for setting in Setting.all {
            guard let text = setting.defaultText else { continue }
            var settings = ServeSettings()
            try setting.apply([text], to: &settings)
            #expect("\(settings)" == "\(ServeSettings())")
        }
    }
}
